Feature: Errors use the format of the API that was called
  A client library parses errors in the format of its own API. An error in another format reaches the
  user as a puzzle, or not at all.

  @critical
  Scenario Outline: <server> rejects <mistake> in the Ollama format
    Given <server> with any model
    When <server> receives <mistake> in the format of the Ollama API
    Then the response is a client error in the format of the Ollama API

    @needs.ollama_api
    Examples: the gateway
      | server      | mistake                  |
      | the gateway | an unknown model         |
      | the gateway | truncated JSON           |
      | the gateway | an empty body            |
      | the gateway | a number as the question |
      | the gateway | a JSON string            |

    @needs.ollama
    Examples: a real Ollama
      | server        | mistake                  |
      | a real Ollama | an unknown model         |
      | a real Ollama | truncated JSON           |
      | a real Ollama | an empty body            |
      | a real Ollama | a number as the question |
      | a real Ollama | a JSON string            |

  @critical
  Scenario Outline: <server> rejects <mistake> in the OpenAI format
    Given <server> with any model
    When <server> receives <mistake> in the format of the OpenAI API
    Then the response is a client error in the format of the OpenAI API

    Examples: the server itself
      | server     | mistake                  |
      | mistral.rs | an unknown model         |
      | mistral.rs | truncated JSON           |
      | mistral.rs | an empty body            |
      | mistral.rs | a number as the question |
      | mistral.rs | a JSON string            |

    @needs.ollama_api
    Examples: the gateway
      | server      | mistake                  |
      | the gateway | an unknown model         |
      | the gateway | truncated JSON           |
      | the gateway | an empty body            |
      | the gateway | a number as the question |
      | the gateway | a JSON string            |

    @needs.ollama
    Examples: a real Ollama
      | server        | mistake                  |
      | a real Ollama | an unknown model         |
      | a real Ollama | truncated JSON           |
      | a real Ollama | an empty body            |
      | a real Ollama | a number as the question |
      | a real Ollama | a JSON string            |
