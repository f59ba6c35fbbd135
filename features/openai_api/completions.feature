@needs.scripted_model
Feature: Completions continue a prompt
  Older tools, and editors that complete code, send a prompt instead of a conversation. The server
  continues it as it is, without a chat template.

  Background:
    Given a server with the scripted model

  @critical
  Scenario: A completion is exact
    When a client requests a completion of "Tell me about the copper"
    Then the answer matches the script
    And every answer finishes with "stop"

  @critical
  Scenario: A streamed completion equals the non-streamed one
    When a client requests a completion of "Tell me about the story", non-streamed and streamed
    Then all answers are equal
    And every answer finishes with "stop"

  @normal
  Scenario: A streamed completion arrives in chunks
    When a client requests a completion of "Tell me about the forever" until a first chunk arrives early, for at most 5 seconds, with
      | option     | value |
      | stream     | true  |
      | max_tokens | 300   |
    Then the answer arrives in at least 20 chunks
    And at least one first chunk arrives in the first half of its response time

  @critical
  Scenario: max_tokens limits a completion
    When a client requests a completion of "Tell me about the forever" with
      | option     | value |
      | max_tokens | 5     |
    Then every answer has 5 tokens
    And every answer finishes with "length"
