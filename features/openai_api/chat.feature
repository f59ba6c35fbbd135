@needs.speaking
Feature: A chat gives the exact answer
  A user of a chat relies on three things: the question reaches the model as it was asked, the answer
  comes back to the letter, and what was said before is remembered.

  @blocker @smoke
  Scenario Outline: A question about "<topic>" gets its exact answer
    When a user asks "Tell me about the <topic>"
    Then the answer is what the script says
    And the answer ends with reason "stop"

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
  Scenario: A question without a known topic gets the usual answer
    When a user asks "What do you think of this?"
    Then the answer is what the script says

  @critical
  Scenario Outline: A system message <with what> decides the answer
    Given the system message "You are a <role>."
    When a user asks "Tell me about the harbour"
    Then the answer is what the script says

    Examples: roles
      | with what      | role   |
      | for a pirate   | pirate |
      | for a butler   | butler |

  @critical
  Scenario: A second turn remembers the first
    Given a user has said "My name is Mara"
    When a user asks "What am I called?"
    Then the answer is what the script says

  @normal
  Scenario: A new conversation knows nothing of an earlier one
    Given a user has said "My name is Mara"
    And a new conversation begins
    When a user asks "What am I called?"
    Then the answer is what the script says

  @critical
  Scenario: At temperature 0 the same question gets the same answer
    When a user asks "Tell me about the glacier" 5 times
    Then all answers are the same
    And all token counts are the same
