Feature: The length of an answer
  Aider sends no limit for an answer. A long one arrives as a whole; one without an end goes on to the end of the
  context, and Aider reports it.

  Background:
    Given the project "tides"

  @critical @needs.command @needs.aider
  Scenario Outline: A long answer of <server> is not cut
    Given Aider is connected to <server>
    When Aider is asked "Write the heights" with
      | option          | value |
      | no-auto-commits |       |
    Then only "tides.py" is changed
    And the tests "test_tides" of the project pass
    And each request for an edit has the fields
      | option     | value |
      | max_tokens | null  |

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
  Scenario: An answer without an end stops with the context
    Given Aider is connected to mistral.rs with
      | option  | value |
      | context | 1024  |
    When Aider is asked "Describe the waves" with
      | option      | value |
      | edit-format | ask   |
    Then Aider prints "has hit a token limit"
    And Aider sends 1 request for an edit
