@needs.scripted_model
Feature: A streamed answer equals the non-streamed one
  A user who watches the answer appear must read the same text, with the same finish reason and the same
  token counts, as a user who waits for the complete answer.

  Background:
    Given a server with the scripted model

  @blocker @smoke
  Scenario Outline: The streamed answer about "<topic>" equals the non-streamed one
    When a user asks "Tell me about the <topic>", non-streamed and streamed
    Then all answers are equal
    And every answer finishes with "stop"
    And all token counts are equal

    Examples: short, long and multi-byte characters
      | topic   |
      | briefly |
      | story   |
      | unicode |
      | spacing |

  @critical
  Scenario: A streamed answer arrives in chunks
    When a user asks "Run forever" until a first chunk arrives early, for at most 5 seconds, with
      | option     | value |
      | stream     | true  |
      | max_tokens | 300   |
    Then the answer arrives in at least 20 chunks
    And at least one first chunk arrives in the first half of its response time

  @critical
  Scenario: A truncated streamed answer equals the non-streamed one
    When a user asks "Tell me the story", non-streamed and streamed, with
      | option     | value |
      | max_tokens | 9     |
    Then all answers are equal
    And every answer finishes with "length"
    And all token counts are equal
