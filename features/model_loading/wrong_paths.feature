@needs.command
Feature: Wrong paths and ports are reported
  Most failed starts are typing errors. The operator wants to read which folder or file was not found,
  or that the port is in use, instead of searching.

  @critical
  Scenario Outline: A model path to <what> is rejected
    Given a model path to <what>
    When the operator starts the server
    Then the program exits with code 1 within 10 seconds
    And the error names the problem

    Examples: wrong paths and formats
      | what                               |
      | a folder that does not exist       |
      | a file that does not exist         |
      | a GGUF file with a .ggml extension |
      | an empty folder                    |

  @critical
  Scenario: A port already in use is reported
    Given a model in the GGUF format
    And another program is listening on the server's port
    When the operator starts the server
    Then the program exits with code 1 within 10 seconds
    And the error names the problem
