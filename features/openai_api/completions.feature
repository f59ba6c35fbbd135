@needs.speaking
Feature: A text is continued
  Older tools, and editors that complete code, send a text instead of a conversation. The server
  continues it as it is, without a chat template.

  @critical
  Scenario: A text is continued exactly
    When a client has a text about "copper" continued
    Then the answer is what the script says
    And the answer ends with reason "stop"

  @critical
  Scenario: A continued text equals its stream
    When a client has a text about "story" continued
    And another user asks the same as a stream
    Then all answers are the same
    And all answers end with reason "stop"

  @normal
  Scenario: A continued text arrives piece by piece
    When a client has a text about "forever" continued with
      | option     | value |
      | stream     | true  |
      | max_tokens | 300   |
    Then the answer came in at least 20 pieces
    And its first piece comes before half of its time in one of 5 tries

  @critical
  Scenario: A limit of tokens holds for a continued text
    When a client has a text about "forever" continued with
      | option     | value |
      | max_tokens | 5     |
    Then the answer has 5 tokens
    And the answer ends with reason "length"
