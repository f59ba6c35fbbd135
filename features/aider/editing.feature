Feature: Aider edits existing files
  A developer asks Aider for a change. Aider sends the files to the model, applies the edit in the answer,
  and commits it.

  @critical @needs.command @needs.aider
  Scenario Outline: Aider applies and commits a <edit format> edit from <server>
    Given the project "thermometer"
    And Aider is connected to <server>
    When Aider is asked "<request>" with
      | option      | value          |
      | edit-format | <edit format>  |
      | file        | thermometer.py |
    Then Aider commits a change of "thermometer.py"
    And the tests "<test>" of the project pass

    Examples: OpenAI API
      | server     | edit format | request                       | test       |
      | mistral.rs | whole       | Correct the melting point     | test_ice   |
      | mistral.rs | diff        | Correct the point of vapour   | test_steam |
      | mistral.rs | udiff       | Correct the coldest point     | test_cold  |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | server      | edit format | request                     | test       |
      | the gateway | whole       | Correct the melting point   | test_ice   |
      | the gateway | diff        | Correct the point of vapour | test_steam |
      | the gateway | udiff       | Correct the coldest point   | test_cold  |

    @needs.ollama
    Examples: a real Ollama
      | server        | edit format | request                     | test       |
      | a real Ollama | whole       | Correct the melting point   | test_ice   |
      | a real Ollama | diff        | Correct the point of vapour | test_steam |
      | a real Ollama | udiff       | Correct the coldest point   | test_cold  |

  @normal @needs.command @needs.aider
  Scenario: Uncommitted changes get a commit before the edit
    Given the project "thermometer"
    And Aider is connected to mistral.rs
    And the file "thermometer.py" in the project
      """
      FREEZING = 31.0
      """
    When Aider is asked "Correct the melting point" with
      | option | value          |
      | file   | thermometer.py |
    Then Aider adds 2 commits
    And Aider sends 2 requests for a commit message
    And the tests "test_ice" of the project pass
