Feature: The token counts are right
  Whoever pays by token, or plans the context window, relies on the counts that come with an answer,
  whole or streamed.

  @critical @smoke
  Scenario: The counts of an answer add up
    When a user asks "Tell me about the violin"
    Then its token counts add up

  @critical
  Scenario: The counts of a streamed answer add up
    When a user asks "Tell me about the violin" with
      | option | value |
      | stream | true  |
    Then its token counts add up

  @critical @needs.speaking
  Scenario Outline: The counts for "<topic>" are those of the model's own tokenizer
    When a user asks "Tell me about the <topic>"
    Then its token counts are those of the tokenizer

    Examples: short, long and of many bytes
      | topic   |
      | briefly |
      | story   |
      | unicode |

  @critical
  Scenario Outline: A question counts more tokens when it is <how>
    When a user asks "Tell me about the comet"
    And a user asks "<question>"
    Then the second question counted more tokens than the first

    Examples: longer in different ways
      | how                 | question                                                        |
      | longer              | Tell me about the comet, the one that we saw from the hill      |
      | in another alphabet | Расскажи мне, пожалуйста, про одну комету, про ту самую: comet! |

  @normal
  Scenario: A repeated question counts the same tokens
    When a user asks "Tell me about the comet" 3 times
    Then all token counts are the same
