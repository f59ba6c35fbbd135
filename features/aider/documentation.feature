Feature: Aider writes documentation of code
  Docstrings are added to a program, one for each public function and class.
  Its code stays as it is: its syntax tree is the same, and its tests pass.

  @normal @needs.command @needs.aider
  Scenario Outline: Every public function gets a docstring from <server>
    Given the project "museum"
    And the tests "test_museum" of the project pass
    And Aider is connected to <server>
    When Aider is asked "Write the docstrings" with
      | option      | value     |
      | edit-format | diff      |
      | file        | museum.py |
    Then Aider commits a change of "museum.py"
    And "museum.py" has a docstring for each public function, and unchanged code
    And the tests "test_museum" of the project pass

    Examples: OpenAI API
      | server     |
      | mistral.rs |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | server      |
      | the gateway |

    @needs.ollama
    Examples: a real Ollama
      | server        |
      | a real Ollama |
