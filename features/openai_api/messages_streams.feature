@needs.speaking @needs.messages
Feature: Streamed messages come in Anthropic's events
  A program shows a message while it is made. It relies on named events in their order, on an end for every
  block, and on nothing being lost or said twice.

  @critical
  Scenario Outline: In the Messages API <behaviour>
    When an Anthropic client tries "<behaviour>"
    Then the contract is kept

    Examples: order and text
      | behaviour                                      |
      | a stream comes in named events, in their order |
      | a stream says what the whole message says      |
      | a stream splits no character                   |
      | a stream keeps every blank                     |
      | a stream of the shortest message is whole      |
      | a long message comes in many pieces            |

    Examples: ends, counts and tools
      | behaviour                                     |
      | a stream that was cut says so                 |
      | a stop sequence ends a stream before it       |
      | a stream counts the tokens of its answer      |
      | a stream counts what the whole message counts |
      | a streamed call of a tool is the whole call   |
