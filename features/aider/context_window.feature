Feature: The context window
  A prompt may be longer than the model's context. Aider warns before it sends one, the server rejects what does
  not fit, and nothing is cut silently.

  @critical @needs.command @needs.aider @needs.pty
  Scenario: A file beyond the context is declined, dropped, and the work goes on
    Given the project "thermometer"
    And Aider is connected to mistral.rs
    And the file "notes.txt" in the project has 20000 words
    And a session of Aider with
      | option      | value          |
      | edit-format | diff           |
      | file        | thermometer.py |
      | file        | notes.txt      |
    When the developer enters "Correct the point of vapour"
    Then Aider prints "exceeds the 16,384 token limit" and "Try to proceed anyway?"
    When the developer enters "n"
    Then Aider sends 0 requests for an edit
    When the developer enters "/drop notes.txt"
    Then Aider prints "Removed notes.txt from the chat"
    When the developer enters "Correct the point of vapour"
    Then Aider sends 1 request for an edit
    And the tests "test_steam" of the project pass

  @critical @needs.command @needs.aider
  Scenario: A prompt that the server's context cannot hold is reported after one request
    Given the project "thermometer"
    And Aider is connected to mistral.rs with a context of 1024 tokens
    When Aider is asked "Correct the point of vapour" with
      | option      | value          |
      | edit-format | diff           |
      | file        | thermometer.py |
    Then Aider prints "has hit a token limit"
    And Aider sends 1 request for an edit
    And the project is unchanged
