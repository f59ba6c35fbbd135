Feature: A streamed answer is the same answer
  Somebody who watches the answer appear must read the same text, with the same ending and the same
  token counts, as somebody who waits for all of it.

  @blocker @smoke @needs.speaking
  Scenario Outline: A streamed answer about "<topic>" equals the whole one
    When a user asks "Tell me about the <topic>"
    And another user asks the same as a stream
    Then all answers are the same
    And all answers end with reason "stop"
    And all token counts are the same

    Examples: short, long and of many bytes
      | topic   |
      | briefly |
      | story   |
      | unicode |
      | spacing |

  @critical @needs.speaking
  Scenario: A streamed answer arrives piece by piece
    When a user asks "Run forever" with
      | option     | value |
      | stream     | true  |
      | max_tokens | 300   |
    Then the answer came in at least 20 pieces
    And its first piece comes before half of its time in one of 5 tries

  @critical @needs.speaking
  Scenario: A streamed answer that is cut equals the whole one
    When a user asks "Tell me the story" with
      | option     | value |
      | max_tokens | 9     |
    And another user asks the same as a stream
    Then all answers are the same
    And all answers end with reason "length"
    And all token counts are the same
