Feature: Modes of Aider's work
  Questions change nothing, the architect's plan is carried out by an editor, and a developer may keep the
  commits for later.

  @normal @needs.command @needs.aider
  Scenario Outline: A question to <server> in ask mode changes nothing
    Given the project "thermometer"
    And Aider is connected to <server>
    When Aider is asked "Where is the point of vapour?" with
      | option      | value          |
      | edit-format | ask            |
      | file        | thermometer.py |
    Then Aider prints "BOILING = 212.0"
    And Aider sends 1 request for an edit
    And the project is unchanged

    Examples: OpenAI API
      | server     |
      | mistral.rs |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | server      |
      | the gateway |

    @needs.ollama
    Examples: a real Ollama
      | server        |
      | a real Ollama |

  @normal @needs.command @needs.aider
  Scenario Outline: An editor carries out the architect's plan with <server>
    Given the project "theatre"
    And Aider is connected to <server>
    When Aider is asked "Plan a balcony" with
      | option             | value       |
      | architect          |             |
      | editor-edit-format | editor-diff |
      | file               | seats.py    |
    Then Aider commits a change of "seats.py"
    And Aider sends 2 requests for an edit
    And the tests "test_seats" of the project pass

    Examples: OpenAI API
      | server     |
      | mistral.rs |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | server      |
      | the gateway |

    @needs.ollama
    Examples: a real Ollama
      | server        |
      | a real Ollama |

  @normal @needs.command @needs.aider
  Scenario: Without automatic commits the change stays in the working tree
    Given the project "thermometer"
    And Aider is connected to mistral.rs
    When Aider is asked "Correct the melting point" with
      | option          | value          |
      | no-auto-commits |                |
      | file            | thermometer.py |
    Then Aider prints "Applied edit to thermometer.py"
    And only "thermometer.py" is changed
    And Aider adds 0 commits
    And the tests "test_ice" of the project pass

  @normal @needs.command @needs.aider
  Scenario: A dry run shows the edit and changes nothing
    Given the project "thermometer"
    And Aider is connected to mistral.rs
    When Aider is asked "Correct the melting point" with
      | option  | value          |
      | dry-run |                |
      | file    | thermometer.py |
    Then Aider prints "Did not apply edit to thermometer.py (--dry-run)"
    And the project is unchanged
