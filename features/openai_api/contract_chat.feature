@needs.speaking
Feature: Chat answers keep the OpenAI contract
  A client library was written against OpenAI's own documentation and knows nothing of this server.
  Every answer has to be one that it understands.

  @critical
  Scenario Outline: In the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: an answer
      | behaviour                                              |
      | a good request is served                               |
      | a chat answer has one choice with text and an end      |
      | a chat without a model name is answered by the default |
      | messages given as one plain string are a question      |
      | content in several text parts is one text              |
      | content as a single text part is a text                |
      | fields that nobody knows are ignored                   |
      | a message with the name of its author is taken         |

    Examples: what a conversation may hold
      | behaviour                                                 |
      | emoji of several code points come back whole              |
      | many alphabets come back without a replacement character  |
      | text that runs from right to left is taken                |
      | zero-width and control characters are taken               |
      | a surrogate pair in an escape is one character            |
      | text that looks like a special token does no harm         |
      | a conversation of thirty turns is answered                |
      | a question of three hundred words in one line is answered |

    Examples: what a request may carry
      | behaviour                                      |
      | a media type with a character set is taken     |
      | an authorization header is no hindrance        |
      | the same question twice counts the same tokens |
      | two answers have two ids                       |
      | the answer names the present moment in seconds |

    Examples: several choices
      | behaviour                                      |
      | three choices are numbered from zero           |
      | each of three choices says the answer and ends |
      | the tokens of all choices are counted          |
