@needs.command @needs.pty
Feature: A chat starts with the chosen model, or explains why not
  The model is chosen when the chat starts. A wrong choice is reported on the screen, and the terminal stays
  usable afterwards.

  @critical
  Scenario Outline: A chat with a <format> model gives the scripted answer
    Given a model in the <format> format
    And a terminal chat with that model
    When the line "Tell me about the lighthouse" is typed
    Then the answer matches the script
    And the chat shows a new prompt

    Examples: formats
      | format      |
      | GGUF        |
      | SafeTensors |
      | GGML        |

  @critical
  Scenario Outline: A chat with <what> is rejected on the screen
    Given a model path to <what>
    When the operator starts a terminal chat
    Then the program exits with code 1 within 10 seconds
    And the error names the problem
    And the terminal is restored

    Examples: wrong paths and formats
      | what                               |
      | a folder that does not exist       |
      | a file that does not exist         |
      | a GGUF file with a .ggml extension |
      | an empty folder                    |

  @normal
  Scenario Outline: A chat with a GGUF file with <fault> is rejected
    Given a GGUF model with <fault>
    When the operator starts a terminal chat
    Then the program exits with code 1 within 10 seconds
    And the error names the problem
    And the terminal is restored

    Examples: damaged files
      | fault             |
      | a wrong signature |
      | truncated data    |
