@needs.speaking @needs.ollama @needs.ollama_api
Feature: A conversation is the same over every route
  Some programs of a user speak OpenAI's API and others Ollama's, and some users come from a real Ollama.
  With one model file, all of them get the same text for the same number of tokens.

  @critical
  Scenario Outline: Every route gives the same answer about "<topic>"
    When every route is asked "Tell me about the <topic>"
    Then every route has given the same answer
    And it is what the script says
    And every route has counted the same tokens
    And every stream has said what the whole answer did

    Examples: short ones
      | topic      |
      | lighthouse |
      | briefly    |
      | numbers    |

    Examples: texts that are easily spoilt on the way
      | topic     |
      | unicode   |
      | emoji     |
      | snippet   |
      | symbols   |
      | spacing   |

  @critical
  Scenario: Every route knows what was said before
    Given a user has said "My name is Mara"
    And a user has said "Tell me about the violin"
    When every route is asked "What am I called?"
    Then every route has given the same answer
    And it is what the script says
    And every route has counted the same tokens

  @critical
  Scenario Outline: Every route follows the system message of a <role>
    Given the system message "You are a <role>."
    When every route is asked "Tell me about the <topic>"
    Then every route has given the same answer
    And it is what the script says
    And every route has counted the same tokens

    Examples: roles
      | role   | topic   |
      | pirate | harbour |
      | butler | poem    |

  @critical
  Scenario Outline: Every route cuts an answer about "<topic>" after <limit> tokens
    When every route is asked "Tell me about the <topic>" with
      | option | value   |
      | limit  | <limit> |
    Then every route has given the same answer
    And all of them ended by "length"
    And every route has counted the same tokens
    And every stream has said what the whole answer did

    Examples: lengths
      | topic   | limit |
      | numbers | 1     |
      | story   | 12    |
      | forever | 20    |
