Feature: Embeddings keep the OpenAI contract
  A search compares texts by their vectors. Each text has to get its own, in its place and of the agreed
  length, whatever stands beside it.

  @normal @needs.embeddings @needs.command
  Scenario Outline: In the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: texts
      | behaviour                                     |
      | a text becomes a vector of length one         |
      | vectors come in the order of their texts      |
      | equal texts have equal vectors in one request |
      | a vector does not depend on its company       |
      | vectors come in base64 when asked for         |
      | a vector in base64 is the vector in floats    |

    Examples: token ids and what cannot be
      | behaviour                                         |
      | a list of token ids becomes one vector            |
      | several lists of token ids become several vectors |
      | no text at all is refused                         |
      | an empty text is refused                          |
      | a number instead of a text is refused             |
      | an encoding that nobody knows is refused          |
      | a text longer than the context is refused         |
      | a size of vectors that cannot be had is refused   |

    Examples: a token, and the same again
      | behaviour                                   |
      | the tokens of all texts are counted         |
      | a text of a single token becomes a vector   |
      | a vector of the same text is the same again |

    Examples: what a list may not hold, and other models
      | behaviour                                             |
      | an empty list of token ids is refused                 |
      | an empty text beside another one is refused           |
      | a token that no vocabulary has is refused             |
      | a token below zero is refused                         |
      | one text longer than the context in a list is refused |
      | a vector of an unknown model is not found             |
      | a chat with a model for vectors is refused            |
      | a text continued by a model for vectors is refused    |
