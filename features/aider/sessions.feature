Feature: An interactive session of Aider
  A developer works in a session for hours: takes changes back, looks at the size of the context, and forgets
  what is no longer needed.

  Background:
    Given the project "thermometer"
    And Aider is connected to mistral.rs

  @critical @needs.command @needs.aider @needs.pty
  Scenario: A change is taken back with /undo
    Given a session of Aider with
      | option      | value          |
      | edit-format | diff           |
      | file        | thermometer.py |
    When the developer enters "Correct the point of vapour"
    Then Aider commits a change of "thermometer.py"
    When the developer enters "/undo"
    Then Aider prints "Removed:"
    And the project is unchanged

  @normal @needs.command @needs.aider @needs.pty
  Scenario: Files and history are forgotten with /drop and /clear
    Given a session of Aider with
      | option      | value          |
      | edit-format | ask            |
      | file        | thermometer.py |
    When the developer enters "Where is the melting point?"
    Then Aider sends 1 request for an edit
    When the developer enters "/tokens"
    Then Aider prints "thermometer.py" and "tokens total"
    When the developer enters "/drop thermometer.py"
    Then Aider prints "Removed thermometer.py from the chat"
    When the developer enters "/clear"
    Then Aider prints "All chat history cleared."
    When the developer enters "What is left?"
    Then Aider prints "There is nothing to change."
    And the model does not receive "FREEZING"
    And the project is unchanged
