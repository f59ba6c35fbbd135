@needs.ollama_api
Feature: No request can hurt the server
  Whatever a client sends, it gets an answer that says what was wrong, and the next request
  of everybody else is served as if nothing had happened.

  @critical
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: no body, no model
      | behaviour                                      |
      | generate without a body is refused             |
      | chat without a body is refused                 |
      | embed without a body is refused                |
      | show without a body is refused                 |
      | an empty object names no model                 |
      | an unknown model is named                      |
      | a model name that leads elsewhere is not found |

    Examples: what is no JSON
      | behaviour                                |
      | a request that breaks off is refused     |
      | a chat that breaks off is refused        |
      | a text that is no JSON is refused        |
      | a list instead of an object is refused   |
      | a number instead of an object is refused |
      | a text instead of an object is refused   |
      | a null instead of an object is refused   |
      | a byte order mark is refused             |

    Examples: too much
      | behaviour                     |
      | a deep nesting is refused     |
      | a body of 51 MiB does no harm |

  @normal
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: wrong types
      | behaviour                               |
      | a model name of another type is refused |
      | a prompt of another type is refused     |
      | a context of another type is refused    |

    Examples: numbers and characters
      | behaviour                                     |
      | a number that is none is refused              |
      | a number beyond all numbers is refused        |
      | a huge integer is refused                     |
      | a huge integer among the options does no harm |
      | bytes that are no text do no harm             |
      | half of a character does no harm              |

  @critical @slow
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: a word without an end
      | behaviour                          |
      | a word without an end does no harm |
