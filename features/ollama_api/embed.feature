@needs.ollama_api
Feature: Texts become vectors
  A search compares texts by their vectors: one for each text, in their order, of length 1.
  The older route gives them as the model makes them.

  @critical
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: vectors
      | behaviour                                   |
      | a text gets a vector                        |
      | several texts get a vector each             |
      | the same text gets the same vector          |
      | a vector is cut to the dimensions asked for |

  @normal
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: nothing to make vectors of
      | behaviour                               |
      | nothing gets no vector                  |
      | an empty list gets no vector            |
      | a request without a text gets no vector |

    Examples: what has no vector
      | behaviour                                                    |
      | a number has no vector                                       |
      | a list of numbers has no vectors                             |
      | a vector of an unknown model is refused                      |
      | a vector of no model is refused as the client's mistake      |
      | an empty text in a list is no failure of the server          |
      | a text beyond the context that must not be cut has no vector |
      | one text too long in a list is refused                       |

    Examples: the older route
      | behaviour                                      |
      | the older route gives a vector to a text       |
      | the older route gives a vector of any length   |
      | the older route gives nothing for nothing      |
      | the older route wants a model                  |
      | the older route does not know an unknown model |
      | the older route wants a text                   |
