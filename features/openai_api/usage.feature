Feature: The token counts are right
  A user who pays by token, or plans the context window, relies on the token counts of an answer,
  streamed or not.

  Background:
    Given a server with any model

  @critical @smoke
  Scenario: The token counts of an answer add up
    When a user asks "Tell me about the violin"
    Then the token counts are positive and add up

  @critical
  Scenario: The token counts of a streamed answer add up
    When a user asks "Tell me about the violin" with
      | option | value |
      | stream | true  |
    Then the token counts are positive and add up

  @critical @needs.scripted_model
  Scenario Outline: The token counts for "<topic>" match the tokenizer
    Given a server with the scripted model
    When a user asks "Tell me about the <topic>"
    Then the token counts match the tokenizer

    Examples: short, long and multi-byte characters
      | topic   |
      | briefly |
      | story   |
      | unicode |

  @critical
  Scenario Outline: A question <how> has more prompt tokens
    Given a user has said "Tell me about the comet"
    And a new conversation was started
    When a user asks "<question>"
    Then the prompt of the second question has more tokens than that of the first question

    Examples: longer in different ways
      | how                          | question                                                        |
      | with more words              | Tell me about the comet, the one that we saw from the hill      |
      | with multi-byte characters   | Расскажи мне, пожалуйста, про одну комету, про ту самую: comet! |

  @normal
  Scenario: A repeated question has the same token counts
    When a user asks "Tell me about the comet" 3 times
    Then all token counts are equal
