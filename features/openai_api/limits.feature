@needs.speaking
Feature: An answer ends where the client says
  Programs that use the server set limits: a number of tokens, or words at which to stop. They must hold
  to the letter, and the reason given must tell which limit it was.

  @critical
  Scenario Outline: A limit of <limit> tokens gives exactly <limit> tokens
    When a user asks "Run forever" with
      | option     | value   |
      | max_tokens | <limit> |
    Then the answer has <limit> tokens
    And the answer ends with reason "length"

    Examples: limits
      | limit |
      | 1     |
      | 2     |
      | 7     |
      | 50    |

  @critical
  Scenario Outline: The stop sequence "<stop>" ends the answer before it
    When a user asks "Tell me the numbers" with
      | option | value  |
      | stop   | <stop> |
    Then the answer is what the script says up to "<cut>"
    And the answer ends with reason "stop"

    Examples: one piece, over two pieces, the first of a list, at the very start
      | stop          | cut     |
      | five          | five    |
      | ee, fou       | ee, fou |
      | [nine, seven] | seven   |
      | one           | one     |

  @normal
  Scenario: A stop sequence that never comes changes nothing
    When a user asks "Tell me the numbers" with
      | option | value    |
      | stop   | thirteen |
    Then the answer is what the script says
    And the answer ends with reason "stop"

  @critical
  Scenario: A stop sequence holds in a stream as well
    When a user asks "Tell me the numbers" with
      | option | value   |
      | stop   | ee, fou |
    And another user asks the same as a stream
    Then all answers are the same
    And all answers end with reason "stop"
