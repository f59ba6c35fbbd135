@needs.scripted_model
Feature: A chat gives the exact answer
  A user of a chat relies on three things: the question reaches the model unchanged, the answer comes
  back unchanged, and earlier messages are remembered.

  Background:
    Given a server with the scripted model

  @blocker @smoke
  Scenario Outline: A question about "<topic>" gets its exact answer
    When a user asks "Tell me about the <topic>"
    Then the answer matches the script
    And every answer finishes with "stop"

    Examples: plain, accented and awkward texts
      | topic     |
      | harbour   |
      | poem      |
      | unicode   |
      | emoji     |
      | snippet   |
      | invoice   |
      | symbols   |
      | spacing   |

  @critical
  Scenario: A question no rule matches gets the default answer
    When a user asks "What do you think of this?"
    Then the answer matches the script

  @critical
  Scenario Outline: The system message of a <role> determines the answer
    Given the system message "You are a <role>."
    When a user asks "Tell me about the harbour"
    Then the answer matches the script

    Examples: roles
      | role   |
      | pirate |
      | butler |

  @critical
  Scenario: The second turn remembers the first
    Given a user has said "My name is Mara"
    When a user asks "What am I called?"
    Then the answer matches the script

  @normal
  Scenario: A new conversation does not remember an earlier one
    Given a user has said "My name is Mara"
    And a new conversation was started
    When a user asks "What am I called?"
    Then the answer matches the script

  @critical
  Scenario: At temperature 0 answers are reproducible
    When a user asks "Tell me about the glacier" 5 times
    Then all answers are equal
    And all token counts are equal
