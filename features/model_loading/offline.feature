@needs.command
Feature: A model on this machine loads without the network
  In a closed network, or on a train, a model that lies in a folder has to load without asking anybody:
  neither for the model, nor whether there is a newer one.

  @critical
  Scenario Outline: Loading a <format> model touches no network
    Given a model in the <format> format
    And every way to the network is watched
    When the operator starts the server with it
    Then the server is ready within 10 seconds
    And nothing was asked of the network

    Examples: formats
      | format      |
      | GGUF        |
      | SafeTensors |

  @normal
  Scenario: The watch would have seen an attempt
    Given a model start with a folder that does not exist
    And every way to the network is watched
    When the operator starts the server with it
    Then the start is refused within 10 seconds
    And something was asked of the network
