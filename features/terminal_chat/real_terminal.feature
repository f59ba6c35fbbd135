@needs.command @needs.tmux
Feature: A chat in a real terminal program
  A pseudo-terminal records whatever it is sent. A terminal program that people use draws it, and reveals
  faults that the recording hides.

  @critical @smoke
  Scenario: A tmux window shows the answer and a new prompt
    Given a terminal chat in a tmux window
    When the line "Tell me about the harbour" is typed
    Then the answer matches the script
    And the chat shows a new prompt
