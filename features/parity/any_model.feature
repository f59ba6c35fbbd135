@needs.ollama_api
Feature: The gateway returns the server's answers unchanged, for any model
  Users bring models whose answers cannot be known beforehand. At temperature 0 the gateway has to return
  the answer of the server behind it, token by token.

  Background:
    Given mistral.rs and the gateway with any model

  @critical
  Scenario Outline: Server and gateway give equal answers to "<question>"
    When a user asks mistral.rs and the gateway "<question>" with
      | option | value   |
      | limit  | <limit> |
    Then all answers are equal
    And all token counts are equal
    And every streamed answer equals the non-streamed one

    Examples: questions
      | question                       | limit |
      | What is the capital of France? | 16    |
      | Count from one to ten          | 1     |
      | Zähle bis drei, 1 2 3 🙂       | 12    |

  @critical
  Scenario: Server and gateway follow a system message alike
    Given the system message "You are a poet. Answer in one line."
    When a user asks mistral.rs and the gateway "What is the sea?" with
      | option | value |
      | limit  | 16    |
    Then all answers are equal
    And all token counts are equal
