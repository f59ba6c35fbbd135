@needs.command
Feature: The server and its gateway agree about the models
  A model that is gone for one of them must not be there for the other one, and every name that a
  list gives has to be answered, also after the model was away.

  @critical
  Scenario: The lists of the server and of its gateway name one model
    Given a server of its own with a gateway before it
    When the lists of models of all servers are read
    Then the other one knows about it

  @critical @needs.own_routes
  Scenario Outline: A model unloaded through <server> is gone for the other one
    Given a server of its own with a gateway before it
    When the model is unloaded through <server>
    Then the other one knows about it

    Examples: ways
      | server      |
      | the gateway |
      | mistral.rs  |

  @critical @needs.own_routes
  Scenario: After unloading and loading every name of the model answers
    Given a server of its own with a gateway before it
    When the model is unloaded and loaded again
    Then what was to come has come
