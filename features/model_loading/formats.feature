@needs.command
Feature: Models of every format load and answer
  An operator wants to serve a model in the format in which it came. A model counts as loaded
  when it answers exactly what it was made to say.

  @blocker @smoke
  Scenario Outline: A <format> model loads in time and within its memory
    Given a model in the <format> format
    When the operator starts the server with it
    Then the server is ready within 10 seconds
    And its log tells that the model is loaded
    And it uses less than 1 GB of memory

    Examples: formats
      | format      |
      | GGUF        |
      | SafeTensors |
      | GGML        |

  @blocker
  Scenario Outline: A <format> model answers what it was made to say
    Given a model in the <format> format
    When the operator starts the server with it
    Then the server is ready within 10 seconds
    And it answers "Tell me about the lighthouse" as its script says

    Examples: formats
      | format      |
      | GGUF        |
      | SafeTensors |
      | GGML        |

  @critical @needs.subcommands
  Scenario Outline: A <format> model answers a single question on the command line
    Given a model in the <format> format
    When the operator asks it "Tell me about the harbour" on the command line
    Then it succeeds within 10 seconds
    And it mentions "forty boats"

    Examples: formats
      | format      |
      | GGUF        |
      | SafeTensors |
      | GGML        |
