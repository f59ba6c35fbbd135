@needs.speaking
Feature: Streams keep the OpenAI contract
  A client shows an answer while it comes. It relies on every event being well-formed, on one end for each
  choice, and on nothing being lost or said twice.

  @critical
  Scenario Outline: In the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: form, text and counts
      | behaviour                                                |
      | a stream is well-formed from its first to its last event |
      | a stream equals the whole answer in text, end and counts |
      | a stream of many alphabets splits no character           |
      | a stream of emoji equals the whole answer                |
      | a stream keeps every blank and line break                |
      | the shortest answer is a stream as well                  |
      | a cut stream says that it was cut                        |
      | a stream of one token is whole                           |

    Examples: roles, moments and counts
      | behaviour                                            |
      | one moment of creation stands in all chunks          |
      | the role stands in the first chunk alone             |
      | token counts come when they are asked for            |
      | asked for token counts stand in a chunk of their own |
      | token counts that nobody asked for do not come       |

    Examples: several choices, long answers, stop sequences
      | behaviour                                                     |
      | each of two streamed choices ends once                        |
      | two streamed choices say the same as two whole ones           |
      | a stream of a long answer comes in many pieces                |
      | a stop sequence within a word ends a stream before it         |
      | what only begins like a stop sequence is not lost in a stream |
