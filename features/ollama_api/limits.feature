@needs.ollama_api
Feature: An answer ends where the options say
  A number of tokens, words at which to stop, and options of the right type: programs set them,
  and rely on them to the letter.

  @critical
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: tokens
      | behaviour                                  |
      | a limit of one token gives one token       |
      | a limit of seven tokens gives seven tokens |
      | a limit holds in a stream of a chat        |
      | a limit of minus one is none               |

    Examples: stop texts
      | behaviour                                             |
      | a stop text ends the answer before it                 |
      | a stop text over two tokens ends the answer before it |
      | a stop text over two tokens never shows in a stream   |
      | the first of several stop texts ends the answer       |
      | a stop text at the very start leaves an empty answer  |
      | a stop text that never comes changes nothing          |
      | the beginning of a stop text is given at the end      |

  @normal
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: options of the wrong type
      | behaviour                                  |
      | a temperature that is no number is refused |
      | a limit that is no number is refused       |
      | a stop text outside of a list is refused   |
      | a stop list with a number in it is refused |
      | a seed that is no number is refused        |
      | options that are no object are refused     |
