Feature: The context window of Aider
  A prompt may be longer than the model's context. Aider warns before it sends one, and the server rejects what does
  not fit.

  Background:
    Given the project "thermometer"

  @critical @needs.command @needs.aider @needs.pty
  Scenario: A file beyond the context is declined and dropped
    Given Aider is connected to mistral.rs
    And a session of Aider with
      | option | value          |
      | file   | thermometer.py |
      | file   | notes.txt      |
    When the developer enters
      | line                      | times | output                          |
      | Correct the melting point | 1     | exceeds the 16,384 token limit  |
      | n                         | 1     | thermometer.py                  |
      | /drop notes.txt           | 1     | Removed notes.txt from the chat |
      | Correct the melting point | 1     | Applied edit to thermometer.py  |
    Then each line has the listed output
    And Aider sends 1 request for an edit
    And the tests "test_ice" of the project pass

  @critical @needs.command @needs.aider
  Scenario: A prompt beyond the server's context is reported at once
    Given Aider is connected to mistral.rs with
      | option  | value |
      | context | 1024  |
    When Aider is asked "Correct the point of vapour" with
      | option      | value          |
      | edit-format | diff           |
      | file        | thermometer.py |
    Then the model reads the whole prompt, or it is rejected for its length
    And Aider prints "has hit a token limit"
    And Aider sends 1 request for an edit
    And the project is unchanged
