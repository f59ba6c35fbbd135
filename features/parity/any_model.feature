@needs.ollama_api
Feature: The gateway hands on what its server says, whatever the model
  Users bring models whose answers nobody can foresee. Asked the same thing without any chance in
  the choice of words, the gateway has to give what the server behind it gives, to the token.

  @critical
  Scenario Outline: The server and its gateway answer the same to "<question>"
    When mistral.rs and the gateway are asked "<question>" with
      | option | value   |
      | limit  | <limit> |
    Then every route has given the same answer
    And every route has counted the same tokens
    And every stream has said what the whole answer did

    Examples: questions
      | question                       | limit |
      | What is the capital of France? | 16    |
      | Count from one to ten          | 1     |
      | Zähle bis drei, 1 2 3 🙂       | 12    |

  @critical
  Scenario: The server and its gateway follow a system message alike
    Given the system message "You are a poet. Answer in one line."
    When mistral.rs and the gateway are asked "What is the sea?" with
      | option | value |
      | limit  | 16    |
    Then every route has given the same answer
    And every route has counted the same tokens
