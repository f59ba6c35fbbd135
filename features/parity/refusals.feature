Feature: A mistake is refused in the words of the API that it was made in
  A client library reads errors as its API writes them. What is refused in another form reaches the
  user as a riddle, or not at all.

  @critical
  Scenario Outline: In Ollama's API <server> refuses <mistake>
    When <server> is sent "<mistake>" in the form of Ollama's API
    Then the mistake is refused in the form of Ollama's API, as the client's

    @needs.ollama_api
    Examples: the gateway
      | server      | mistake                     |
      | the gateway | an unknown model            |
      | the gateway | a request that breaks off   |
      | the gateway | an empty request            |
      | the gateway | a question that is a number |
      | the gateway | text instead of a request   |

    @needs.ollama
    Examples: a real Ollama
      | server        | mistake                     |
      | a real Ollama | an unknown model            |
      | a real Ollama | a request that breaks off   |
      | a real Ollama | an empty request            |
      | a real Ollama | a question that is a number |
      | a real Ollama | text instead of a request   |

  @critical
  Scenario Outline: In OpenAI's API <server> refuses <mistake>
    When <server> is sent "<mistake>" in the form of OpenAI's API
    Then the mistake is refused in the form of OpenAI's API, as the client's

    Examples: the server itself
      | server     | mistake                     |
      | mistral.rs | an unknown model            |
      | mistral.rs | a request that breaks off   |
      | mistral.rs | an empty request            |
      | mistral.rs | a question that is a number |
      | mistral.rs | text instead of a request   |

    @needs.ollama_api
    Examples: the gateway
      | server      | mistake                     |
      | the gateway | an unknown model            |
      | the gateway | a request that breaks off   |
      | the gateway | an empty request            |
      | the gateway | a question that is a number |
      | the gateway | text instead of a request   |

    @needs.ollama
    Examples: a real Ollama
      | server        | mistake                     |
      | a real Ollama | an unknown model            |
      | a real Ollama | a request that breaks off   |
      | a real Ollama | an empty request            |
      | a real Ollama | a question that is a number |
      | a real Ollama | text instead of a request   |
