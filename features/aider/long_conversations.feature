Feature: Long conversations with Aider
  A session goes on for hours. What was said at its beginning still counts at its end, and a history that became too
  long is replaced by its summary.

  Background:
    Given the project "archive"

  @critical @needs.command @needs.aider @needs.pty
  Scenario Outline: A fact still counts after 30 turns with <server>
    Given Aider is connected to <server>
    And a session of Aider with
      | option      | value      |
      | edit-format | ask        |
      | file        | letters.py |
    When the developer enters
      | line                           | times | output                          |
      | The archive is called larkspur | 1     | The archive is called Larkspur. |
      | And what else is there?        | 29    | The archive is called Larkspur. |
      | /clear                         | 1     | All chat history cleared.       |
      | What is it called?             | 1     | There is nothing to change.     |
    Then each line has the listed output
    And the model does not receive "larkspur"
    And the project is unchanged

    Examples: OpenAI API
      | server     |
      | mistral.rs |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | server      |
      | the gateway |

  @normal @needs.command @needs.aider
  Scenario: A restored history that is too long is summarised once
    Given Aider is connected to mistral.rs
    When Aider is asked "What was it about?" with
      | option                  | value      |
      | edit-format             | ask        |
      | restore-chat-history    |            |
      | max-chat-history-tokens | 300        |
      | file                    | letters.py |
    Then Aider sends 1 request for a summary
    And the model receives "you named the archive Larkspur"
    And Aider prints "The archive is called Larkspur."
