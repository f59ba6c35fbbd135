Feature: Aider and models that reason
  A model may reason before it answers, in tags or in a field of its own, and drafts an edit there.
  Only the edit in the answer is applied.

  Background:
    Given the project "thermometer"

  @critical @needs.command @needs.aider
  Scenario Outline: A draft in think tags of <server> is not applied
    Given Aider is connected to <server>
    And the file ".aider.model.settings.yml" in the project
      """
      - name: <model>
        edit_format: whole
        reasoning_tag: think
      """
    When Aider is asked "Correct the snowfall" with
      | option | value          |
      | file   | thermometer.py |
    Then Aider commits a change of "thermometer.py"
    And Aider sends 1 request for an edit
    And the tests "test_ice" of the project pass

    Examples: OpenAI API
      | server     | model          |
      | mistral.rs | openai/default |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | server      | model                |
      | the gateway | ollama_chat/scripted |

    @needs.ollama
    Examples: a real Ollama
      | server        | model                              |
      | a real Ollama | ollama_chat/acceptance-thermometer |

  @critical @needs.command @needs.aider
  Scenario Outline: A draft in a thinking field of <server> is dropped
    Given Aider is connected to <server> with
      | option   | value |
      | thinking | true  |
    When Aider is asked "Correct the snowfall" with
      | option | value          |
      | file   | thermometer.py |
    Then Aider commits a change of "thermometer.py"
    And Aider receives 2 pieces of thinking or more
    And the tests "test_ice" of the project pass

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | server      |
      | the gateway |

    @needs.ollama
    Examples: a real Ollama
      | server        |
      | a real Ollama |
