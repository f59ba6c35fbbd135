@needs.command
Feature: A local model loads without network access
  In a closed network, or on a train, a model in a local folder has to load without any connection:
  neither for the model, nor for a newer version of it.

  @critical
  Scenario Outline: Loading a <format> model needs no network access
    Given a model in the <format> format
    And outgoing network access is monitored
    When the operator starts the server
    Then the server is ready within 10 seconds
    And no outgoing connection was attempted

    Examples: formats
      | format      |
      | GGUF        |
      | SafeTensors |

  @normal
  Scenario: The network monitor detects an attempt (self-check)
    Given a model path to a folder that does not exist
    And outgoing network access is monitored
    When the operator starts the server
    Then the program exits with code 1 within 10 seconds
    And an outgoing connection was attempted
