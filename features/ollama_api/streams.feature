@needs.ollama_api
Feature: An answer appears line by line
  Programs show an answer while it is made: each line is one JSON object, the last one says that
  it is the last, and together they are the same answer as the whole one.

  @critical
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: the same answer
      | behaviour                                          |
      | generate streams without being asked to            |
      | chat streams without being asked to                |
      | a stream that is asked for equals the whole answer |
      | a stream of null is one                            |
      | a stream keeps characters of many bytes whole      |
      | a stream keeps blanks and line breaks              |
      | a long stream equals the whole answer              |

    Examples: refused before it begins
      | behaviour                                          |
      | an unknown model is refused before a stream begins |
      | a stream that is neither true nor false is refused |

  @normal
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: without a template
      | behaviour                   |
      | a raw stream has no context |
