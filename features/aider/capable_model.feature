Feature: Aider's workflows with a capable model
  The same projects as in the scripted scenarios, without a script: the requests are complete, and the result
  is judged, whatever the model answers. Its first attempts may fail.

  @normal @slow @needs.aider @needs.aider_model @budget.600s
  Scenario Outline: A capable model <change>
    Given the project "<project>"
    And Aider is connected to the user's model
    When Aider is asked "<request>" with
      | option      | value         |
      | edit-format | <edit format> |
      | file        | <file>        |
    Then Aider does not print "litellm."
    And only <changed> changed
    And the tests "<test>" of the project pass

    Examples: edits
      | change                         | project     | edit format | file           | changed             | test       | request                                                                |
      | edits a file as a whole        | thermometer | whole       | thermometer.py | "thermometer.py" is | test_ice   | Correct FREEZING, the melting point in degrees Fahrenheit: it is 32.0. |
      | edits a file by a diff         | thermometer | diff        | thermometer.py | "thermometer.py" is | test_steam | Correct BOILING, the point of vapour in Fahrenheit: it is 212.0.       |
      | edits a file by a unified diff | thermometer | udiff       | thermometer.py | "thermometer.py" is | test_cold  | Correct ZERO, the coldest point in degrees Celsius: it is -273.15.     |

    Examples: new code
      | change                | project    | edit format | file     | changed                          | test          | request                                                                                                                                                                              |
      | creates a module      | stationery | diff        | order.py | "stamp.py" is                    | test_stamp    | Write a new module stamp.py for postage. Its function price(number) returns 85 for each stamp.                                                                                       |
      | changes several files | stationery | diff        | order.py | "discount.py" and "order.py" are | test_discount | Give a rebate on orders: reduced(price, percent) in a new module discount.py returns the price without that percentage, and total(items, percent=0) in order.py uses it for the sum. |

  @normal @slow @needs.aider @needs.aider_model @budget.600s
  Scenario Outline: A capable model <change> a function across files
    Given the project "garden"
    And Aider is connected to the user's model
    When Aider is asked "<request>" with
      | option      | value     |
      | edit-format | diff      |
      | file        | plants.py |
      | file        | beds.py   |
    Then Aider does not print "litellm."
    And only <changed> changed
    And the tests "test_behaviour" and "<structure>" of the project pass

    Examples: changes
      | change   | changed                                   | structure        | request                                                                                                                    |
      | renames  | "beds.py" and "plants.py" are             | test_structure_1 | The function litres should be renamed to water_demand in all files.                                                        |
      | extracts | "plants.py" is                            | test_structure_2 | The first line of describe should be extracted to a function tidy(name) in plants.py that returns the name as it is shown. |
      | moves    | "beds.py", "plants.py" and "texts.py" are | test_structure_3 | The function describe should be relocated from plants.py to a new module texts.py.                                         |

  @normal @slow @needs.aider @needs.aider_model @budget.1200s
  Scenario: A capable model corrects code whose test fails
    Given the project "parking"
    And Aider is connected to the user's model
    When Aider is asked "Introduce a tariff: fee(hours) returns a price for each hour. A test has the price." with
      | option    | value      |
      | test-cmd  | {tests}    |
      | auto-test |            |
      | file      | parking.py |
    Then Aider does not print "litellm."
    And only "parking.py" is changed
    And the tests "test_parking" of the project pass

  @normal @slow @needs.aider @needs.aider_model @budget.600s
  Scenario: A capable model writes the documentation of a program
    Given the project "museum"
    And Aider is connected to the user's model
    When Aider is asked "Write the docstrings of the module and of all public functions and classes." with
      | option      | value     |
      | edit-format | diff      |
      | file        | museum.py |
    Then Aider does not print "litellm."
    And only "museum.py" is changed
    And "museum.py" has a docstring for each public function, and unchanged code
    And the tests "test_museum" of the project pass

  @normal @slow @needs.aider @needs.aider_model @budget.600s
  Scenario: A capable model answers a question without changes
    Given the project "thermometer"
    And Aider is connected to the user's model
    When Aider is asked "Which constant of thermometer.py is the point of vapour?" with
      | option      | value          |
      | edit-format | ask            |
      | file        | thermometer.py |
    Then Aider prints "BOILING"
    And Aider does not print "litellm."
    And the project is unchanged

  @normal @slow @needs.aider @needs.aider_model @budget.1200s
  Scenario: A capable model plans and edits in architect mode
    Given the project "theatre"
    And Aider is connected to the user's model
    When Aider is asked "Plan a balcony: 80 more seats, which are part of the capacity." with
      | option             | value       |
      | architect          |             |
      | editor-edit-format | editor-diff |
      | file               | seats.py    |
    Then Aider does not print "litellm."
    And only "seats.py" is changed
    And the tests "test_seats" of the project pass
