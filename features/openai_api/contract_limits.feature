@needs.speaking
Feature: Limits and sampling keep the OpenAI contract
  Programs cut answers, stop them at words and shape how they are drawn. What they set has to hold, and what
  they leave open must do no harm.

  @normal
  Scenario Outline: In the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: limits
      | behaviour                                      |
      | no limit at all is a limit by itself           |
      | a limit of null is none                        |
      | the newer name of the limit holds as well      |
      | the limit holds for each of several choices    |
      | a cut answer is the beginning of the whole one |

    Examples: stop sequences
      | behaviour                                                   |
      | an empty list of stop sequences stops nothing               |
      | a stop sequence of null stops nothing                       |
      | an empty stop sequence does not swallow the answer          |
      | the first of several stop sequences to come ends the answer |
      | a stop sequence of another alphabet holds                   |
      | a stop sequence of an emoji holds                           |
      | a stop sequence in the last word holds                      |
      | what only begins like a stop sequence is not lost           |

    Examples: drawing of tokens
      | behaviour                                           |
      | the case of a stop sequence matters                 |
      | a seed is taken and the greedy answer is the same   |
      | a seed above all integers is taken                  |
      | penalties within their range are taken              |
      | a bias of minus hundred bans a token                |
      | a bias for a token that does not exist does no harm |
      | the most likely token alone is the greedy answer    |
      | a nucleus of almost nothing is the greedy answer    |
