Feature: Aider writes new code
  A developer describes what is missing.
  Aider creates the files, adds them to the repository and commits them.

  @critical @needs.command @needs.aider
  Scenario Outline: Aider creates a module in the <edit format> format from <server>
    Given the project "stationery"
    And Aider is connected to <server>
    When Aider is asked "<request>" with
      | option      | value         |
      | edit-format | <edit format> |
    Then Aider commits a change of "<file>"
    And the tests "<test>" of the project pass

    Examples: OpenAI API
      | server     | edit format | request                          | file        | test          |
      | mistral.rs | whole       | Write a module for mailing sizes | envelope.py | test_envelope |
      | mistral.rs | diff        | Write a module for postage       | stamp.py    | test_stamp    |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | server      | edit format | request                    | file     | test       |
      | the gateway | diff        | Write a module for postage | stamp.py | test_stamp |

    @needs.ollama
    Examples: a real Ollama
      | server        | edit format | request                          | file        | test          |
      | a real Ollama | whole       | Write a module for mailing sizes | envelope.py | test_envelope |

  @critical @needs.command @needs.aider
  Scenario Outline: Aider changes several files with one answer of <server>
    Given the project "stationery"
    And Aider is connected to <server>
    When Aider is asked "Give a rebate on orders" with
      | option      | value    |
      | edit-format | diff     |
      | file        | order.py |
    Then Aider commits a change of "discount.py" and "order.py"
    And the tests "test_discount" of the project pass

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
