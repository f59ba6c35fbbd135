Feature: Aider writes documentation of code
  Docstrings are added to a program, one for each public function and class.
  Its code stays as it is: its syntax tree is the same, and its tests pass.

  @normal @needs.command @needs.aider
  Scenario: Every public function gets a docstring
    Given the project "museum"
    And the tests "test_museum" of the project pass
    And Aider is connected to mistral.rs
    When Aider is asked "Write the docstrings" with
      | option      | value     |
      | edit-format | diff      |
      | file        | museum.py |
    Then Aider commits a change of "museum.py"
    And "museum.py" has a docstring for each public function, and unchanged code
    And the tests "test_museum" of the project pass
