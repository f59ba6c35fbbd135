@needs.ollama_api
Feature: A conversation gets its answer
  A chat program sends all that was said so far and shows the answer. It relies on the answer
  to the letter, and on a clear word when it has made a mistake.

  @critical
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: answers
      | behaviour                                |
      | a chat gets its exact answer             |
      | a system message decides the answer      |
      | an earlier turn is remembered            |
      | characters of every size come back whole |
      | quotes and line breaks come back whole   |

    Examples: loading and unloading
      | behaviour                                           |
      | no messages load the model                          |
      | a chat without the field messages loads the model   |
      | no messages to be kept for no time unload the model |

  @normal
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: mistakes
      | behaviour                               |
      | a chat without a model is refused       |
      | a chat with an unknown model is refused |
      | messages that are no list are refused   |
      | a message that is no object is refused  |
      | content that is no text is refused      |
      | content in parts is refused             |
