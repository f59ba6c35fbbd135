@needs.command @needs.pty
Feature: A chat survives what a model says
  A conversation may fill the model's memory, and a model may say codes that steer terminals. The person
  has to read what happened and go on, in a terminal that still works.

  @critical
  Scenario: The end of the context is told on the screen
    Given a chat with a model that remembers little
    When a line of 1200 characters with "forever" at its end is typed
    Then the terminal tells that the answer was cut
    And the terminal is as it was

  @normal
  Scenario: An answer that reached the end of the context leaves the chat open
    Given a chat with a model that remembers little
    When a line of 1200 characters with "forever" at its end is typed
    Then the terminal gets "round and"
    And the chat waits for the next line

  @critical
  Scenario: A message that does not fit is refused on the screen
    Given a chat with a model that remembers little
    When a line of 2000 characters with "orchard" at its end is typed
    Then the terminal gets "sequence length"
    And the terminal is as it was

  @normal
  Scenario: A message that does not fit leaves the chat open
    Given a chat with a model that remembers little
    When a line of 2000 characters with "orchard" at its end is typed
    Then the terminal gets "sequence length"
    And the chat waits for the next line

  @critical
  Scenario Outline: After an answer that would <do what> the chat goes on
    Given a chat with a model that says control codes
    And "Please <marker> it" was typed
    And "/clear" was typed
    When "Hello" is typed
    Then the terminal gets what the script says
    And the chat waits for the next line

    Examples: codes of terminals
      | do what                 | marker |
      | clear the screen        | wipe   |
      | hide the cursor         | vanish |

  @normal
  Scenario Outline: An answer cannot <do what>
    Given a chat with a model that says control codes
    When "Please <marker> it" is typed
    Then its control codes do not reach the terminal

    Examples: codes of terminals
      | do what                 | marker |
      | clear the screen        | wipe   |
      | rename the window       | rename |
      | hide the cursor         | vanish |
      | ask the terminal        | query  |
