@needs.command
Feature: The binary reports its name and version
  An operator who is about to upgrade has to know which binary is installed and that it runs at all,
  before any model is loaded.

  Background:
    Given the binary is an executable file

  @critical @smoke
  Scenario: The binary prints its usage
    When the operator runs "mistralrs --help"
    Then the program exits with code 0 within 2 seconds
    And the output contains "usage"

  @critical @smoke
  Scenario Outline: "mistralrs <option>" prints name and semantic version
    When the operator runs "mistralrs <option>"
    Then the program exits with code 0 within 2 seconds
    And the output is the program name and a semantic version
    And all output is on standard output

    Examples: long and short option
      | option    |
      | --version |
      | -V        |
