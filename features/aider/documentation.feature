Feature: Aider writes documentation
  Docstrings are added to a program. Its code stays as it is.

  @normal @needs.command @needs.aider
  Scenario: Every public function gets a docstring, and the program is unchanged
    Given the project "museum"
    And Aider is connected to mistral.rs
    When Aider is asked "Write the docstrings" with
      | option      | value     |
      | edit-format | diff      |
      | file        | museum.py |
    Then Aider commits a change of "museum.py"
    And every public function of "museum.py" has a docstring
    And the code of "museum.py" is unchanged
