@needs.speaking
Feature: Continued texts keep the OpenAI contract
  Older tools and editors send a text instead of a conversation. The answer has to have the form of the older
  API, whole and as a stream.

  @normal
  Scenario Outline: In the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: answers
      | behaviour                                         |
      | a continued text has one choice and its counts    |
      | a continued text repeats its prompt when asked to |
      | a continued text has as many choices as asked for |
      | the best of several is one                        |
      | the best of fewer than asked for is refused       |
      | a continued text stops at a word within a piece   |
      | a continued text stops at its last word           |
      | a continued text gives its log-probabilities      |

    Examples: streams and prompts
      | behaviour                                                     |
      | a continued text in a stream is well-formed                   |
      | a continued text that is cut in a stream equals the whole one |
      | a list of prompts gives a list of texts                       |
      | a prompt of token ids is continued                            |

    Examples: prompts that cannot be
      | behaviour                                                |
      | an empty prompt is answered or refused, and does no harm |
      | a prompt that is a number is refused                     |
      | a text without a prompt is refused                       |
      | a text of an unknown model is refused                    |
