@needs.command
Feature: Broken model files are rejected with the reason
  A truncated download, or a file that is something else, must not crash the server:
  the operator wants a quick error that names the problem.

  @critical
  Scenario Outline: A GGUF model with <fault> is rejected
    Given a GGUF model with <fault>
    When the operator starts the server
    Then the program exits with code 1 within 10 seconds
    And the error names the problem

    Examples: damaged files
      | fault               |
      | no content          |
      | a truncated header  |
      | truncated data      |
      | a wrong signature   |
      | an unknown version  |

    Examples: incomplete files
      | fault                   |
      | an unknown architecture |
      | no context length       |
      | no tokenizer            |
      | no merges               |
      | no embedding tensor     |

  @critical
  Scenario Outline: A SafeTensors model with <fault> is rejected
    Given a SafeTensors model with <fault>
    When the operator starts the server
    Then the program exits with code 1 within 10 seconds
    And the error names the problem

    Examples: incomplete or damaged folders
      | fault                                            |
      | no tokenizer                                     |
      | no configuration                                 |
      | no weights                                       |
      | truncated weights                                |
      | a configuration that is not valid JSON           |
      | a tokenizer configuration that is not valid JSON |
      | an unknown model class                           |

  @normal
  Scenario: A GGML file that is not GGML is rejected
    Given a GGML model with other content
    When the operator starts the server
    Then the program exits with code 1 within 10 seconds
    And the error names the problem
