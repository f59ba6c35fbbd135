Feature: The server and its gateway agree about the models
  A model that is gone for one of them must not be there for the other one, and every name that a
  list gives has to be answered, also after the model was away.

  @critical @needs.ollama_api
  Scenario: The server and its gateway list the same number of models
    When the lists of models of mistral.rs and the gateway are read
    Then both lists give the same number of models

  @normal
  Scenario Outline: In both APIs of <server> the models have the same names
    When the lists of models of <server> are read
    Then both lists give the same names

    @needs.ollama_api
    Examples: the gateway
      | server      |
      | the gateway |

    @needs.ollama
    Examples: a real Ollama
      | server        |
      | a real Ollama |

  @critical @needs.command @needs.ollama_api @needs.own_routes
  Scenario Outline: A model unloaded through <server> is gone for the other one
    Given a server whose model may be unloaded, with a gateway before it
    When the model is unloaded through <server>
    Then <other> tells of no loaded model

    Examples: ways
      | server      | other       |
      | the gateway | mistral.rs  |
      | mistral.rs  | the gateway |

  @critical @needs.command @needs.own_routes
  Scenario: After unloading and loading every name of the model answers
    Given a server of its own
    When the model is unloaded and loaded again
    Then every name of the model is answered as before
