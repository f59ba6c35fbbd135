@needs.command
Feature: Models of every format load and answer
  An operator wants to serve a model in the format in which it was published. A model counts as loaded
  when it returns the answer that its script prescribes.

  @critical @smoke
  Scenario Outline: A <format> model loads within its time and memory limits
    Given a model in the <format> format
    When the operator starts the server
    Then the server is ready within 10 seconds
    And the server log reports the loaded model
    And the server uses less than 1 GB of memory

    Examples: formats
      | format      |
      | GGUF        |
      | SafeTensors |
      | GGML        |

  Scenario Outline: A <format> model gives the scripted answer
    Given a model in the <format> format
    When the operator starts the server and asks "Tell me about the lighthouse"
    Then the server is ready within 10 seconds
    And the answer matches the script

    @blocker
    Examples: current formats
      | format      |
      | GGUF        |
      | SafeTensors |

    @critical
    Examples: the old format
      | format |
      | GGML   |

  @critical @needs.subcommands @needs.one_shot
  Scenario Outline: A <format> model answers a one-shot prompt
    Given a model in the <format> format
    When the operator runs the one-shot prompt "Tell me about the harbour" without a terminal
    Then the program exits with code 0 within 10 seconds
    And the output contains "forty boats"

    Examples: formats
      | format      |
      | GGUF        |
      | SafeTensors |
      | GGML        |
