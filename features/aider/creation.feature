Feature: Aider writes new code
  A developer describes what is missing.
  Aider creates the files, adds them to the repository and commits them.

  Background:
    Given the project "stationery"
    And Aider is connected to mistral.rs

  @critical @needs.command @needs.aider
  Scenario Outline: Aider creates a module in the <edit format> format
    When Aider is asked "<request>" with
      | option      | value         |
      | edit-format | <edit format> |
    Then Aider commits a change of "<file>"
    And the tests "<test>" of the project pass

    Examples: formats
      | edit format | request                          | file        | test          |
      | whole       | Write a module for mailing sizes | envelope.py | test_envelope |
      | diff        | Write a module for postage       | stamp.py    | test_stamp    |

  @critical @needs.command @needs.aider
  Scenario: Aider changes several files with one answer
    When Aider is asked "Give a rebate on orders" with
      | option      | value    |
      | edit-format | diff     |
      | file        | order.py |
    Then Aider commits a change of "discount.py" and "order.py"
    And the tests "test_discount" of the project pass
