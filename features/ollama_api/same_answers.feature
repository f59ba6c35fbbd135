@needs.ollama_api @needs.ollama
Feature: The server gives the same answers as a real Ollama
  A user who moves from Ollama to this server asks the same question with the same model file, and
  expects the same text, the same finish reason and the same token counts.

  Background:
    Given an Ollama API server with the scripted model

  @critical
  Scenario Outline: A chat about "<topic>" equals that of a real Ollama
    When a user asks the server and a real Ollama "Tell me about the <topic>"
    Then both answers are equal

    Examples: plain, accented, awkward and long texts
      | topic   |
      | harbour |
      | briefly |
      | unicode |
      | emoji   |
      | snippet |
      | invoice |
      | symbols |
      | story   |

  @critical
  Scenario: The default answer equals that of a real Ollama
    When a user asks the server and a real Ollama "What do you think of this?"
    Then both answers are equal
