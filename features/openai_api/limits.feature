@needs.scripted_model
Feature: Limits and stop sequences end an answer
  Programs that use the server limit an answer: by a number of tokens, or by stop sequences. The limit must
  be exact, and the finish reason must name the kind of limit.

  Background:
    Given a server with the scripted model

  @critical
  Scenario Outline: With max_tokens <limit> the answer has <limit> tokens
    When a user asks "Run forever" with
      | option     | value   |
      | max_tokens | <limit> |
    Then every answer has <limit> tokens
    And every answer finishes with "length"

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
    Then the answer matches the script up to "<cut>"
    And every answer finishes with "stop"

    Examples: one token, across two tokens, the first of a list, at the very start
      | stop          | cut     |
      | five          | five    |
      | ee, fou       | ee, fou |
      | [nine, seven] | seven   |
      | one           | one     |

  @normal
  Scenario: A stop sequence that never occurs changes nothing
    When a user asks "Tell me the numbers" with
      | option | value    |
      | stop   | thirteen |
    Then the answer matches the script
    And every answer finishes with "stop"

  @critical
  Scenario: A stop sequence also ends a streamed answer
    When a user asks "Tell me the numbers", non-streamed and streamed, with
      | option | value   |
      | stop   | ee, fou |
    Then all answers are equal
    And every answer finishes with "stop"
