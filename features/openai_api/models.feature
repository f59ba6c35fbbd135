Feature: The list of models is true
  A client looks up which models there are and uses one of them. Every name on the list has to work,
  and no other name may.

  @critical @smoke
  Scenario: The list names at least one model in the agreed form
    When a client lists the models
    Then the list is well-formed and has no name twice

  @critical
  Scenario: Every listed model answers
    When a client lists the models
    Then the list is well-formed and has no name twice
    And every listed model answers with one token
