@needs.command @needs.pty
Feature: A chat starts with the model that was chosen, or says why not
  The model is chosen when the chat starts. A wrong choice is told on the screen, and the terminal can be
  used afterwards.

  @critical
  Scenario Outline: A chat with a <format> model answers
    Given a model in the <format> format
    And a chat with it in the terminal
    When "Tell me about the lighthouse" is typed
    Then the terminal gets what the script says
    And the chat waits for the next line

    Examples: formats
      | format      |
      | GGUF        |
      | SafeTensors |
      | GGML        |

  @critical
  Scenario Outline: A chat with <what is wrong> is refused on the screen
    Given a model start with <what is wrong>
    When the operator starts a chat with it
    Then the start is refused within 10 seconds
    And the error names the problem
    And the terminal is as it was

    Examples: missing models and wrong formats
      | what is wrong                |
      | a folder that does not exist |
      | a file that does not exist   |
      | a GGUF file called GGML      |
      | an empty folder              |

  @normal
  Scenario Outline: A chat with a GGUF file with <fault> is refused on the screen
    Given a GGUF model with <fault>
    When the operator starts a chat with it
    Then the start is refused within 10 seconds
    And the error names the problem
    And the terminal is as it was

    Examples: damaged files
      | fault                 |
      | a wrong signature     |
      | data that breaks off  |
