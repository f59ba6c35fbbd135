@needs.command @needs.pty
Feature: A conversation in the terminal
  A user who tries a model out starts a chat. The answer has to appear while it is generated,
  earlier messages have to be remembered, and forgotten when the chat is cleared.

  Background:
    Given a terminal chat

  @blocker @smoke
  Scenario: A chat starts with a prompt
    When these keys are pressed
      | key   | times |
      | Enter | 1     |
    Then the chat shows a new prompt
    And the screen shows "Welcome to interactive mode!"

  @blocker @smoke
  Scenario Outline: The terminal shows the exact answer about "<topic>"
    When the line "Tell me about the <topic>" is typed
    Then the answer matches the script
    And the chat shows a new prompt

    Examples: plain, several lines, multi-byte characters, markup
      | topic   |
      | harbour |
      | poem    |
      | unicode |
      | emoji   |
      | snippet |
      | symbols |
      | spacing |

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
  Scenario: The second message remembers the first
    Given the line "My name is Mara" was typed
    When the line "What am I called?" is typed
    Then the answer matches the script
    And the token counts match the tokenizer

  @critical
  Scenario: A cleared chat has forgotten earlier messages
    Given the line "My name is Mara" was typed
    And the line "/clear" was typed
    When the line "What am I called?" is typed
    Then the answer matches the script
    And the token counts match the tokenizer
