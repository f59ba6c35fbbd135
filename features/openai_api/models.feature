Feature: The model list is correct
  A client looks up the available models and uses one of them. Every listed name has to be usable,
  and listed once.

  Background:
    Given a server with any model

  @critical @smoke
  Scenario: The model list is valid and not empty
    When a client reads the model list
    Then the model list is valid and has no duplicates

  @critical
  Scenario: Every listed model answers
    When a user asks every listed model "Hi" with
      | option     | value |
      | max_tokens | 1     |
    Then every answer has 1 token
