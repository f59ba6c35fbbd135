@needs.speaking @needs.messages
Feature: The Messages API answers as Anthropic's does
  Programs that were written for Anthropic's API are pointed at the server. They rely on the blocks of a message,
  on why it ended, and on the calls of tools.

  @normal
  Scenario Outline: In the Messages API <behaviour>
    When an Anthropic client tries "<behaviour>"
    Then the contract is kept

    Examples: questions and answers
      | behaviour                           |
      | a message is answered               |
      | the tokens of a message are counted |
      | the system message is a text        |
      | the system message comes in blocks  |
      | a question comes in blocks          |
      | an earlier turn decides the message |

    Examples: ends and counts
      | behaviour                                         |
      | a message that was cut says so                    |
      | a stop sequence ends a message before it          |
      | a message names the stop sequence that ended it   |
      | fields that the server does not know are ignored  |
      | the tokens of a message can be counted beforehand |
      | counting needs no limit of the answer             |

    Examples: tools
      | behaviour                                          |
      | a message calls a tool with an object              |
      | two calls of tools are two blocks                  |
      | a question that needs no tool gets a text          |
      | a client can ask that no tool is called            |
      | a client can name the tool to be called            |
      | the result of a tool is answered                   |
      | a choice of a tool that was not offered is refused |

  @normal
  Scenario Outline: From one message to the next: <walk>
    When an Anthropic client goes through "<walk>"
    Then every step is answered as documented

    Examples: counts and ids
      | walk                                                  |
      | a question takes as many tokens as were counted       |
      | a system message takes as many tokens as were counted |
      | offered tools take as many tokens as were counted     |
      | a longer message counts more tokens                   |
      | every message has an id of its own                    |
