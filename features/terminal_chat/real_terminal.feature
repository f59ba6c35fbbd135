@needs.command @needs.tmux
Feature: A chat in a real terminal program
  A pseudo-terminal shows whatever it is sent. A terminal program that people use draws it, and shows
  faults that the other hides.

  @critical @smoke
  Scenario: A chat in a tmux window shows the answer and a new prompt
    Given a chat in a tmux window
    When "Tell me about the harbour" is typed
    Then the terminal gets what the script says
    And the chat waits for the next line
