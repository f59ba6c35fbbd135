@needs.command @needs.subcommands
Feature: The program examines its machine
  Before going live an operator lets the program look at the machine it will run on,
  as a text to read and as data for tools.

  @normal
  Scenario Outline: The diagnosis tells about the <part>
    When the operator asks the program "for a diagnosis"
    Then it succeeds within 5 seconds
    And it mentions "<part>"

    Examples: parts of the machine
      | part    |
      | OS:     |
      | CPU:    |
      | RAM:    |
      | Summary |

  @normal
  Scenario: The diagnosis can be read by tools
    When the operator asks the program "for a diagnosis as data"
    Then it succeeds within 5 seconds
    And it describes the machine and the outcome of every check
    And all it says is on the standard output
