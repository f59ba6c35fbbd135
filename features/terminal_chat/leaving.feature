@needs.command @needs.pty
Feature: Interrupting an answer and leaving the chat
  A wrong answer must be stoppable without losing the chat, and after the chat the terminal has to be
  restored.

  Background:
    Given a terminal chat

  @critical @smoke
  Scenario: Ctrl-C stops an endless answer and nothing else
    Given the answer to "Run forever" was interrupted with Ctrl-C
    When the line "Tell me about the butler" is typed
    Then the answer matches the script
    And the chat shows a new prompt

  @critical
  Scenario: A second answer can be interrupted like the first
    Given the answer to "Run forever" was interrupted with Ctrl-C
    When the answer to "Run forever" is interrupted with Ctrl-C
    Then the output contains "round and"
    And the chat shows a new prompt

  @critical
  Scenario Outline: <key> at the prompt exits cleanly
    Given the line "Tell me about the comet" was typed
    When these keys are pressed
      | key   | times |
      | <key> | 1     |
    Then the program exits with code 0 within 2 seconds
    And the terminal is restored

    Examples: keys
      | key    |
      | Ctrl-C |
      | Ctrl-D |

  @normal
  Scenario: Ctrl-C on a half-written line exits cleanly
    When these keys are pressed
      | key          | times |
      | "Tell me ab" | 1     |
      | Ctrl-C       | 1     |
    Then the program exits with code 0 within 2 seconds
    And the terminal is restored

  @critical
  Scenario: The command /exit exits cleanly
    When the line "/exit" is typed
    Then the program exits with code 0 within 2 seconds
    And the terminal is restored
