@needs.command @needs.pty
Feature: A conversation in the terminal
  A user who tries a model out starts a chat. The answer has to appear while it is generated,
  earlier messages have to be remembered, and forgotten when the chat is cleared.

  Background:
    Given a terminal chat

  @critical @smoke
  Scenario: A chat starts with a prompt
    When these keys are pressed
      | key   | times |
      | Enter | 1     |
    Then the chat shows a new prompt
    And the screen shows "Welcome to interactive mode!"

  @blocker @smoke
  Scenario: The terminal shows the exact answers
    When these lines are typed one after another
      | line                      |
      | Tell me about the harbour |
      | Tell me about the poem    |
      | Tell me about the unicode |
      | Tell me about the emoji   |
      | Tell me about the snippet |
      | Tell me about the symbols |
      | Tell me about the spacing |
    Then every answer matches the script
    And the chat shows a new prompt

  @critical
  Scenario: A long answer arrives in chunks
    When the line "Tell me the story" is typed
    Then the answer matches the script
    And the answer arrives in at least 3 chunks
    And the token counts match the tokenizer

  @critical
  Scenario: The answer appears while it is generated
    When the answer to "Run forever" is interrupted with Ctrl-C
    Then the output contains "round and"
    And the chat shows a new prompt

  @critical
  Scenario: Earlier messages are remembered until the chat is cleared
    When these lines are typed one after another
      | line              |
      | My name is Mara   |
      | What am I called? |
      | /clear            |
      | What am I called? |
    Then every answer matches the script
    And the token counts match the tokenizer
