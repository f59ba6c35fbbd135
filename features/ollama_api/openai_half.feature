@needs.ollama_api
Feature: Tools of the other API are at home as well
  Ollama speaks the OpenAI API beside its own. Tools that know only that one have to find
  it complete, with its own streams and its own errors.

  @critical
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: chats
      | behaviour                                             |
      | a chat in the other API gets its exact answer         |
      | a chat in the other API streams when asked to         |
      | a stream in the other API counts when asked to        |
      | a limit holds in the other API                        |
      | a stop text holds in the other API                    |
      | several stop texts hold in the other API              |
      | content in parts is taken in the other API            |
      | tokens come with their probabilities in the other API |

  @normal
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: forms and tools
      | behaviour                                                   |
      | JSON is given in the other API where it is asked for        |
      | a schema holds in the other API                             |
      | a call of a tool has its arguments as text in the other API |

    Examples: chats that are refused
      | behaviour                                                    |
      | no messages are refused in the other API                     |
      | an unknown model is refused in the other API                 |
      | an unknown model is refused before a stream in the other API |
      | a request that breaks off is refused in the other API        |
      | a limit that is no number is refused in the other API        |
      | an image by its address is refused in the other API          |

    Examples: texts
      | behaviour                                     |
      | a text in the other API gets its exact end    |
      | a text in the other API streams when asked to |
      | a list of prompts is refused in the other API |

    Examples: models
      | behaviour                                      |
      | the models are listed in the other API         |
      | one model is told by its name in the other API |
      | an unknown model is not told in the other API  |

    Examples: vectors
      | behaviour                                                |
      | a vector in the other API has length 1                   |
      | a vector in the other API comes encoded when asked for   |
      | an unknown encoding is refused in the other API          |
      | a vector of nothing is refused in the other API          |
      | a vector of an unknown model is refused in the other API |
