@slow @budget.300s @needs.own_ollama
Feature: Test suites of others pass on the Ollama API
  Ollama's own integration tests, and those of the official SDKs, are run on the gateway and on a real Ollama. What of them
  does not apply is listed with its reason (docs/independent_suites.md).

  @normal @needs.ollama_tests
  Scenario Outline: Ollama's integration tests of <models> pass on <server>
    Given <server> with any model
    When Ollama's integration test suite runs the tests "<models>" on <server>
    Then the suite returns "no failure"

    @needs.command @needs.ollama_api
    Examples: on the gateway
      | models      | server      |
      | llama3.2:1b | the gateway |
      | llama3.2    | the gateway |
      | gemma2:2b   | the gateway |
      | qwen3:0.6b  | the gateway |
      | gpt-oss:20b | the gateway |

    @needs.ollama
    Examples: on a real Ollama
      | models     | server        |
      | all models | a real Ollama |

  @normal @needs.ollama
  Scenario Outline: <author>'s SDK tests of <part> pass on a real Ollama
    Given a real Ollama with any model
    When <author>'s SDK test suite runs the tests "<part>" on a real Ollama
    Then the suite returns "no failure"

    @needs.openai_tests
    Examples: of OpenAI
      | author | part             |
      | OpenAI | chat completions |
      | OpenAI | completions      |
      | OpenAI | embeddings       |
      | OpenAI | models           |

    @needs.anthropic_tests
    Examples: of Anthropic
      | author    | part     |
      | Anthropic | messages |
