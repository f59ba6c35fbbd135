@needs.command @needs.subcommands
Feature: Invalid arguments are rejected with an explanation
  An operator who mistypes a command line sees at once what is wrong with it. Scripts rely on the exit code,
  and on an error message that goes to standard error only.

  Background:
    Given the binary is an executable file

  @critical
  Scenario Outline: A command line with <mistake> is rejected
    When the operator runs "mistralrs <arguments>"
    Then the program exits with code 2 within 2 seconds
    And the output contains "<named>"
    And all output is on standard error

    Examples: unknown words
      | mistake                 | arguments          | named        |
      | no arguments            |                    | usage        |
      | an unknown option       | --frobnicate       | --frobnicate |
      | an unknown command      | frobnicate         | frobnicate   |
      | an unknown serve option | serve --frobnicate | --frobnicate |

    Examples: invalid values
      | mistake                    | arguments                                                  | named            |
      | a non-numeric port         | serve --port abc -m nowhere                                | --port           |
      | a port out of range        | serve --port 99999 -m nowhere                              | 99999            |
      | a missing port value       | serve --port                                               | --port           |
      | a repeated option          | serve --port 1 --port 2 -m nowhere                         | --port           |
      | an unknown model format    | serve -m nowhere --format parchment                        | parchment        |
      | mutually exclusive options | serve -m nowhere --pa-memory-mb 10 --pa-context-len 100    | --pa-context-len |

    @needs.one_shot
    Examples: an option that needs another one
      | mistake                   | arguments                          | named   |
      | a missing required option | run -m nowhere --image picture.png | --input |

  @critical
  Scenario Outline: The command "mistralrs <command>" without a model fails
    When the operator runs "mistralrs <command>"
    Then the program exits with code 1 within 2 seconds
    And the output contains "--model-id"
    And all output is on standard error

    Examples: commands that need a model
      | command |
      | serve   |
      | run     |
      | bench   |
