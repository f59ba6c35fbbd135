@needs.ollama_api @needs.ollama
Feature: The server answers as a real Ollama does
  Whoever moves from Ollama to this server asks the same question with the same model file, and
  expects the same text, the same end and the same token counts.

  @critical
  Scenario Outline: A chat about "<topic>" is the same as on a real Ollama
    When the server and a real Ollama are both asked "Tell me about the <topic>"
    Then both have given the same answer

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
  Scenario: A question that nobody foresaw is answered as on a real Ollama
    When the server and a real Ollama are both asked "What do you think of this?"
    Then both have given the same answer
