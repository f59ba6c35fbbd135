Feature: The program explains itself
  A newcomer asks the program for help and finds every command of the daily work,
  without reading a manual first.

  @critical @needs.command @needs.subcommands
  Scenario: Every command of the list explains itself
    When the operator asks the program "for help"
    Then it succeeds within 2 seconds
    And every command that it lists explains itself

  @critical @smoke @needs.command @needs.subcommands
  Scenario Outline: Asked <for what>, the program lists <what>
    When the operator asks the program "<for what>"
    Then it succeeds within 2 seconds
    And it mentions "usage"
    And it mentions "<what>"
    And all it says is on the standard output

    Examples: help and what it has to mention
      | for what                  | what         |
      | for help                  | serve        |
      | for help                  | run          |
      | for help                  | bench        |
      | for help                  | doctor       |
      | for help on serving       | --port       |
      | for help on chatting      | --input      |
      | for help on benchmarks    | --iterations |
      | for help on the diagnosis | --json       |
