@needs.command @needs.subcommands
Feature: Wrong calls are refused with an explanation
  Somebody who mistypes a command learns at once what was wrong. Scripts can rely on the exit code,
  and on finding the explanation on the error output only.

  @critical
  Scenario Outline: A call with <mistake> is refused as wrong usage
    When the operator calls the program with "<mistake>"
    Then it is refused as wrong usage within 2 seconds
    And it mentions "<what it mentions>"
    And all it says is on the error output

    Examples: wrong words
      | mistake                       | what it mentions |
      | nothing at all                | usage            |
      | an unknown option             | --frobnicate     |
      | an unknown command            | frobnicate       |
      | an unknown option for serving | --frobnicate     |

    Examples: wrong values
      | mistake                           | what it mentions |
      | a port that is no number          | --port           |
      | a port out of range               | 99999            |
      | a port left out                   | --port           |
      | the same option twice             | --port           |
      | an unknown model format           | parchment        |
      | options that exclude each other   | --pa-context-len |
      | an option that needs another one  | --input          |

  @critical
  Scenario Outline: A call with <mistake> ends with an error
    When the operator calls the program with "<mistake>"
    Then it ends with an error within 2 seconds
    And it mentions "<what it mentions>"
    And all it says is on the error output

    Examples: calls without a model
      | mistake               | what it mentions |
      | no model to serve     | --model-id       |
      | no model to chat with | --model-id       |
      | no model to measure   | --model-id       |
