Feature: Long conversations with Aider
  A session goes on for hours. What was said at its beginning still counts at its end, each turn takes about as
  long as the first ones, and the server does not grow.

  @critical @needs.command @needs.aider @needs.pty
  Scenario: A fact of the first turn still counts after 30 turns
    Given the project "archive"
    And Aider is connected to mistral.rs
    And a session of Aider with
      | option      | value      |
      | edit-format | ask        |
      | file        | letters.py |
    When the developer enters "The archive is called larkspur"
    And the developer enters 29 more questions
    Then Aider prints "The archive is called Larkspur." in each turn
    And the model receives "The archive is called larkspur"
    And the project is unchanged
    When the developer enters "/clear"
    And the developer enters "What is it called?"
    Then Aider prints "There is nothing to change."
    And the model does not receive "larkspur"

  @normal @needs.command @needs.aider
  Scenario: A restored history that is too long is summarised once
    Given the project "archive"
    And Aider is connected to mistral.rs
    And the file ".aider.chat.history.md" in the project has 40 turns about "the letters"
    When Aider is asked "What was it about?" with
      | option                  | value      |
      | edit-format             | ask        |
      | restore-chat-history    |            |
      | max-chat-history-tokens | 300        |
      | file                    | letters.py |
    Then Aider sends 1 request for a summary
    And the model receives "you named the archive Larkspur"
    And Aider prints "The archive is called Larkspur."
