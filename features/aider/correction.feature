Feature: Aider corrects its own errors
  Aider runs the tests and a linter after each edit. It sends what they report to the model, and applies the
  correction. It gives up after three attempts.

  Background:
    Given the project "parking"

  @critical @needs.command @needs.aider
  Scenario Outline: A failing test is sent to <server> and corrected
    Given Aider is connected to <server>
    When Aider is asked "Introduce a tariff" with
      | option    | value      |
      | test-cmd  | {tests}    |
      | auto-test |            |
      | file      | parking.py |
    Then Aider commits a change of "parking.py"
    And Aider sends 2 requests for an edit
    And the tests "test_parking" of the project pass

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
  Scenario Outline: An undefined name is sent to <server> and corrected
    Given Aider is connected to <server>
    When Aider is asked "Introduce a surcharge" with
      | option | value      |
      | file   | parking.py |
    Then Aider commits a change of "parking.py"
    And Aider sends 2 requests for an edit
    And the tests "test_parking" of the project pass

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
  Scenario Outline: Aider gives up on <error> after three corrections
    Given Aider is connected to <server>
    When Aider is asked "<request>" with
      | option   | value      |
      | test-cmd | {tests}    |
      | <check>  |            |
      | file     | parking.py |
    Then Aider prints "<report>" and "Only 3 reflections allowed, stopping."
    And Aider sends 4 requests for an edit
    And only "parking.py" is changed
    And Aider adds 1 commit

    Examples: OpenAI API
      | error             | server     | request             | check        | report                   |
      | a failing test    | mistral.rs | Introduce a voucher | auto-test    | undercharged             |
      | an undefined name | mistral.rs | Introduce a valet   | no-auto-test | undefined name 'service' |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | error                      | server      | request             | check     | report       |
      | the gateway's failing test | the gateway | Introduce a voucher | auto-test | undercharged |
