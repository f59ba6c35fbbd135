Feature: Server and gateway agree about the models
  An unloaded model must be unloaded for both, and every listed model name has to be usable,
  also after the model was unloaded and reloaded.

  @critical @needs.ollama_api @needs.same_model
  Scenario: Server and gateway list the same number of models
    Given mistral.rs and the gateway with any model
    When a client reads the model lists of mistral.rs and the gateway
    Then both model lists have the same number of models

  @normal
  Scenario Outline: Both APIs of <server> list the same model names
    Given <server> with any model
    When a client reads the model lists of <server>
    Then both model lists have the same names

    @needs.ollama_api
    Examples: the gateway
      | server      |
      | the gateway |

    @needs.ollama
    Examples: a real Ollama
      | server        |
      | a real Ollama |

  @critical @needs.command @needs.ollama_api @needs.own_routes
  Scenario Outline: A model unloaded through <server> is unloaded for <other>
    Given a dedicated server with an unloadable model behind a gateway
    When the model is unloaded through <server>
    Then <other> lists no loaded model

    Examples: ways
      | server      | other       |
      | the gateway | mistral.rs  |
      | mistral.rs  | the gateway |

  @critical @needs.command @needs.own_routes
  Scenario: Every model name answers after unload and reload
    Given a dedicated server
    And the model was unloaded and reloaded
    When a user asks every listed model "Tell me about the comet"
    Then the answer matches the script
