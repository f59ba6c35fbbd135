@needs.command
Feature: Broken model files are refused with the reason
  A download that broke off, or a file that is something else, must not take the server down with a crash:
  the operator wants a quick refusal that names the problem.

  @critical
  Scenario Outline: A GGUF model with <fault> is refused
    Given a GGUF model with <fault>
    When the operator starts the server with it
    Then the start is refused within 10 seconds
    And the error names the problem

    Examples: damaged files
      | fault                     |
      | no content                |
      | a header that breaks off  |
      | data that breaks off      |
      | a wrong signature         |
      | an unknown version        |

    Examples: incomplete files
      | fault                     |
      | an unknown architecture   |
      | no context length         |
      | no tokenizer              |
      | no merges                 |
      | no embedding tensor       |

  @critical
  Scenario Outline: A SafeTensors model with <fault> is refused
    Given a SafeTensors model with <fault>
    When the operator starts the server with it
    Then the start is refused within 10 seconds
    And the error names the problem

    Examples: incomplete or damaged folders
      | fault                                  |
      | no tokenizer                           |
      | no configuration                       |
      | no weights                             |
      | weights that break off                 |
      | a configuration that is no JSON        |
      | a tokenizer configuration that is no JSON |
      | an unknown model class                 |

  @normal
  Scenario: A GGML model with other content is refused
    Given a GGML model with other content
    When the operator starts the server with it
    Then the start is refused within 10 seconds
    And the error names the problem
