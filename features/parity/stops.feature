@needs.speaking @needs.ollama @needs.ollama_api
Feature: A stop sequence ends an answer at the same place everywhere
  Programs end an answer early by a stop sequence, and take what stands before it as the result.
  Over every route it is the same text, in a stream as well as in a whole answer.

  @normal
  Scenario Outline: Every route stops the <topic> before "<stop>"
    When every route is asked "Tell me about the <topic>" with
      | option | value  |
      | stop   | <stop> |
    Then every route has given the same answer
    And all of them ended by "stop"

    Examples: whole words
      | topic   | stop  |
      | numbers | seven |
      | poem    | gulls |

  @normal
  Scenario: Every stream stops at the same place as the whole answer
    When every route is asked "Tell me about the numbers" with
      | option | value    |
      | stop   | ee, fou  |
    Then every route has given the same answer
    And every stream has said what the whole answer did
