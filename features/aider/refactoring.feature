Feature: Aider refactors across files
  The structure of a program changes in several files at once. Its behaviour stays the same: its tests pass
  before and after.

  Background:
    Given the project "garden"
    And the tests "test_behaviour" of the project pass
    And Aider is connected to mistral.rs

  @critical @needs.command @needs.aider
  Scenario Outline: A function is <change> without a change of behaviour
    When Aider is asked "<request>" with
      | option      | value     |
      | edit-format | diff      |
      | file        | plants.py |
      | file        | beds.py   |
    Then Aider commits a change of <files>
    And the tests "test_behaviour" and "<structure>" of the project pass

    Examples: changes
      | change    | request                                           | files                                 | structure        |
      | renamed   | The function for litres should be renamed         | "beds.py" and "plants.py"             | test_structure_1 |
      | extracted | The tidying of names should be extracted          | "plants.py"                           | test_structure_2 |
      | moved     | The description should be relocated to a new file | "beds.py", "plants.py" and "texts.py" | test_structure_3 |
