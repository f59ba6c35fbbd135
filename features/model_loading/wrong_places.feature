@needs.command
Feature: A model that is not where it should be is refused
  Most failed starts are typing errors. The operator wants to read which folder or file was not found,
  and that a port is taken, instead of searching.

  @critical
  Scenario Outline: A start with <what is wrong> is refused
    Given a model start with <what is wrong>
    When the operator starts the server with it
    Then the start is refused within 10 seconds
    And the error names the problem

    Examples: wrong places and formats
      | what is wrong                        |
      | a folder that does not exist         |
      | a file that does not exist           |
      | a GGUF file called GGML              |
      | an empty folder                      |

  @critical @serial
  Scenario: A port that is taken is refused
    Given a model in the GGUF format
    And another program on the port of the server
    When the operator starts the server with it
    Then the start is refused within 10 seconds
    And the error names the problem
