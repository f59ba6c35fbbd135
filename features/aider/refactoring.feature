Feature: Aider refactors across files
  The structure of a program changes in several files at once. Its behaviour stays the same: its tests pass
  before and after.

  Background:
    Given the project "garden"
    And the tests "test_behaviour" of the project pass

  @critical @needs.command @needs.aider
  Scenario Outline: A function is <change> with <server>, and behaves as before
    Given Aider is connected to <server>
    When Aider is asked "<request>" with
      | option      | value     |
      | edit-format | diff      |
      | file        | plants.py |
      | file        | beds.py   |
    Then Aider commits a change of <files>
    And the tests "test_behaviour" and "<structure>" of the project pass

    Examples: OpenAI API
      | server     | change    | request                                           | files                                 | structure        |
      | mistral.rs | renamed   | The function for litres should be renamed         | "beds.py" and "plants.py"             | test_structure_1 |
      | mistral.rs | extracted | The tidying of names should be extracted          | "plants.py"                           | test_structure_2 |
      | mistral.rs | moved     | The description should be relocated to a new file | "beds.py", "plants.py" and "texts.py" | test_structure_3 |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | server      | change | request                                           | files                                 | structure        |
      | the gateway | moved  | The description should be relocated to a new file | "beds.py", "plants.py" and "texts.py" | test_structure_3 |

    @needs.ollama
    Examples: a real Ollama
      | server        | change  | request                                   | files                     | structure        |
      | a real Ollama | renamed | The function for litres should be renamed | "beds.py" and "plants.py" | test_structure_1 |
