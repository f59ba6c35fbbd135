Feature: cecli, the successor of Aider
  Aider's users move to cecli, which has its options and its edit formats. The same edits have to arrive through
  its own way to the server.

  Background:
    Given the project "thermometer"

  @slow @normal @needs.command @needs.cecli
  Scenario Outline: cecli applies and commits a <edit format> edit from <server>
    Given cecli is connected to <server>
    When cecli is asked "<request>" with
      | option      | value          |
      | edit-format | <edit format>  |
      | file        | thermometer.py |
    Then cecli commits a change of "thermometer.py"
    And cecli sends 1 request for an edit
    And the tests "<test>" of the project pass

    Examples: OpenAI API
      | server     | edit format | request                     | test       |
      | mistral.rs | whole       | Correct the melting point   | test_ice   |
      | mistral.rs | diff        | Correct the point of vapour | test_steam |

  @slow @normal @needs.command @needs.cecli @needs.ollama_api
  Scenario: Over the Ollama API cecli applies and commits an edit
    Given cecli is connected to the gateway
    When cecli is asked "Correct the point of vapour" with
      | option           | value          |
      | reasoning-effort | none           |
      | edit-format      | diff           |
      | file             | thermometer.py |
    Then cecli commits a change of "thermometer.py"
    And cecli sends 1 request for an edit
    And the tests "test_steam" of the project pass

  @slow @normal @needs.command @needs.cecli
  Scenario: A question to cecli changes nothing
    Given cecli is connected to mistral.rs
    When cecli is asked "Where is the point of vapour?" with
      | option      | value          |
      | edit-format | ask            |
      | file        | thermometer.py |
    Then cecli prints "BOILING = 212.0"
    And cecli sends 1 request for an edit
    And the project is unchanged

  @slow @normal @needs.command @needs.cecli
  Scenario: cecli reports a server that cannot be reached
    Given cecli is connected to mistral.rs
    And the variable "MISTRALRS_API_BASE" of cecli is "http://127.0.0.1:1/v1"
    When cecli is asked "Correct the melting point" with
      | option  | value                  |
      | retries | {"retry-timeout": 0.5} |
      | file    | thermometer.py         |
    Then cecli prints "All connection attempts failed"
    And cecli exits with code 1
    And the project is unchanged
