@needs.command @needs.subcommands
Feature: The doctor command diagnoses the host
  Before going live an operator wants a diagnosis of the machine that will run the server,
  as text for people and as JSON for tools.

  Background:
    Given the binary is an executable file

  @normal
  Scenario Outline: The diagnosis reports "<part>"
    When the operator runs "mistralrs doctor"
    Then the program exits with code 0 within 5 seconds
    And the output contains "<part>"

    Examples: parts of the host
      | part    |
      | OS:     |
      | CPU:    |
      | RAM:    |
      | Summary |

  @normal
  Scenario: The diagnosis is available as JSON
    When the operator runs "mistralrs doctor --json"
    Then the program exits with code 0 within 5 seconds
    And the output is a JSON diagnosis of the host
    And all output is on standard output
