@needs.command @needs.pty
Feature: An answer can be stopped and the chat left
  An answer that goes wrong must be stoppable without losing the chat, and whoever leaves wants back the
  terminal as it was.

  @blocker @smoke
  Scenario: Ctrl-C stops an endless answer and nothing else
    Given a chat in the terminal
    And the endless answer to "Run forever" was stopped with Ctrl-C
    When "Tell me about the butler" is typed
    Then the terminal gets what the script says
    And the chat waits for the next line

  @critical
  Scenario: A second answer can be stopped like the first
    Given a chat in the terminal
    And the endless answer to "Run forever" was stopped with Ctrl-C
    When "Run forever" is typed and its answer begins
    And Ctrl-C is pressed
    Then the terminal gets "round and"
    And the chat waits for the next line

  @critical
  Scenario Outline: Pressing <key> at the prompt ends the chat well
    Given a chat in the terminal
    And "Tell me about the comet" was typed
    When <key> is pressed
    Then the chat ends well within 2 seconds
    And the terminal is as it was

    Examples: keys
      | key    |
      | Ctrl-C |
      | Ctrl-D |

  @normal
  Scenario: Ctrl-C on a half-written line ends the chat well
    Given a chat in the terminal
    When "Tell me ab" is written
    And Ctrl-C is pressed
    Then the chat ends well within 2 seconds
    And the terminal is as it was

  @critical
  Scenario: The command to exit ends the chat well
    Given a chat in the terminal
    When "/exit" is typed
    Then the chat ends well within 2 seconds
    And the terminal is as it was
