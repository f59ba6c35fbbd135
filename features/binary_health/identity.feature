Feature: The program tells who it is
  An operator who is about to upgrade wants to be sure which program is there and that it runs at all,
  before any model is loaded.

  @blocker @smoke @needs.command
  Scenario: The program is a file that may be executed
    When the operator asks the program "for help"
    Then it is a file that may be executed
    And it succeeds within 2 seconds

  @blocker @smoke @needs.command
  Scenario Outline: Asked <for what>, the program answers in one line
    When the operator asks the program "<for what>"
    Then it succeeds within 2 seconds
    And it names the program and a version of three numbers
    And all it says is on the standard output

    Examples: the long and the short question
      | for what                |
      | for its version         |
      | briefly for its version |
