Feature: Aider with a capable model
  Aider works on ten small exercises without a script. A model that is served correctly solves at least half of
  them in two tries, and the record has the fields of Aider's own benchmark.

  @normal @slow @benchmark @needs.aider @needs.aider_model @budget.1800s
  Scenario: A capable model solves exercises by whole files
    Given Aider is connected to the user's model
    When Aider works on the exercises with
      | option      | value |
      | edit-format | whole |
    Then at least 5 exercises are solved

  @normal @slow @benchmark @needs.aider @needs.aider_model @budget.1800s
  Scenario: A capable model solves exercises by diff edits
    Given Aider is connected to the user's model
    When Aider works on the exercises with
      | option      | value |
      | edit-format | diff  |
    Then at least 5 exercises are solved
