@needs.speaking
Feature: Log-probabilities keep the OpenAI contract
  Who judges answers by their probabilities reads one number for each token. A wrong number is worse
  than none.

  @normal
  Scenario Outline: In the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: the tokens of an answer
      | behaviour                                            |
      | log-probabilities are never above zero               |
      | there is one log-probability for each token          |
      | the tokens of the log-probabilities join to the text |
      | log-probabilities that nobody asked for do not come  |
      | as many alternatives come as were asked for          |

    Examples: alternatives and their limits
      | behaviour                                                       |
      | the chosen token is the first of its alternatives               |
      | alternatives name their tokens in words                         |
      | no alternatives come when none were asked for                   |
      | log-probabilities in a stream have the form of the whole answer |
      | more than twenty alternatives are refused                       |
