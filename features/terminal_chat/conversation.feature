@needs.command @needs.pty
Feature: A conversation in the terminal
  Somebody who tries the model out starts a chat and talks. The answer has to appear while it is made,
  what was said before has to be remembered, and cleared when asked.

  @blocker @smoke
  Scenario: A chat starts and asks for the first line
    Given a chat in the terminal
    When Enter is pressed
    Then the chat waits for the next line
    And the screen shows "Welcome to interactive mode!"

  @blocker @smoke
  Scenario Outline: The terminal shows the exact answer about "<topic>"
    Given a chat in the terminal
    When "Tell me about the <topic>" is typed
    Then the terminal gets what the script says
    And the chat waits for the next line

    Examples: plain, of several lines, of many bytes, awkward
      | topic     |
      | harbour   |
      | poem      |
      | unicode   |
      | emoji     |
      | snippet   |
      | symbols   |
      | spacing   |

  @critical
  Scenario: A long answer arrives piece by piece
    Given a chat in the terminal
    When "Tell me the story" is typed
    Then the terminal gets what the script says
    And it came in at least 3 pieces
    And the statistics count what the tokenizer counts

  @critical
  Scenario: The first words appear while the answer is still made
    Given a chat in the terminal
    When "Run forever" is typed and its answer begins
    And Ctrl-C is pressed
    Then the terminal gets "round and"
    And the chat waits for the next line

  @critical
  Scenario: A second message remembers the first
    Given a chat in the terminal
    And "My name is Mara" was typed
    When "What am I called?" is typed
    Then the terminal gets what the script says
    And the statistics count what the tokenizer counts

  @critical
  Scenario: A chat that was cleared has forgotten
    Given a chat in the terminal
    And "My name is Mara" was typed
    And "/clear" was typed
    When "What am I called?" is typed
    Then the terminal gets what the script says
    And the statistics count what the tokenizer counts
