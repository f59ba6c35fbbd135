@needs.command @needs.pty
Feature: A chat survives long and hostile answers
  A conversation can fill the context, and an answer can contain the control codes of terminals. The user
  has to see what happened and be able to go on, in a terminal that still works.

  @critical
  Scenario: An answer truncated at the context limit is marked
    Given a terminal chat with a 512-token context
    When a line of 1200 characters ending in "forever" is typed
    Then the screen shows that the answer was truncated
    And the terminal is restored

  @normal
  Scenario: A truncated answer keeps the chat open
    Given a terminal chat with a 512-token context
    When a line of 1200 characters ending in "forever" is typed
    Then the output contains "round and"
    And the chat shows a new prompt

  @critical
  Scenario: A message longer than the context is rejected
    Given a terminal chat with a 512-token context
    When a line of 2000 characters ending in "orchard" is typed
    Then the output contains "sequence length"
    And the terminal is restored

  @normal
  Scenario: A message longer than the context keeps the chat open
    Given a terminal chat with a 512-token context
    When a line of 2000 characters ending in "orchard" is typed
    Then the output contains "sequence length"
    And the chat shows a new prompt

  @critical
  Scenario Outline: The chat goes on after an answer that could <effect>
    Given a terminal chat with a model that outputs control codes
    And the line "Please <marker> it" was typed
    And the line "/clear" was typed
    When the line "Hello" is typed
    Then the answer matches the script
    And the chat shows a new prompt

    Examples: control codes of terminals
      | effect           | marker |
      | clear the screen | wipe   |
      | hide the cursor  | vanish |

  @normal
  Scenario: Control codes in an answer do not reach the terminal
    Given a terminal chat with a model that outputs control codes
    When these lines are typed one after another
      | line             |
      | Please wipe it   |
      | /clear           |
      | Please rename it |
      | /clear           |
      | Please vanish it |
      | /clear           |
      | Please query it  |
    Then no answer contains control codes
