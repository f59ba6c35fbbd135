@needs.command @needs.subcommands
Feature: Every command has a help text
  A newcomer finds every command of the daily work in the help, without reading a manual first.
  In "mistralrs help COMMAND" the word COMMAND stands for each command that "mistralrs --help" lists.

  Background:
    Given the binary is an executable file

  @critical
  Scenario: Every listed command has its own help text
    When the operator runs "mistralrs help COMMAND"
    Then the program exits with code 0 within 2 seconds
    And the output contains "usage"

  @critical @smoke
  Scenario Outline: The output of "mistralrs <arguments>" lists "<what>"
    When the operator runs "mistralrs <arguments>"
    Then the program exits with code 0 within 2 seconds
    And the output contains "usage" and "<what>"
    And all output is on standard output

    Examples: commands and options
      | arguments     | what         |
      | --help        | serve        |
      | --help        | run          |
      | --help        | bench        |
      | --help        | doctor       |
      | serve --help  | --port       |
      | bench --help  | --iterations |
      | doctor --help | --json       |

    @needs.one_shot
    Examples: the option of a one-shot prompt
      | arguments  | what    |
      | run --help | --input |
