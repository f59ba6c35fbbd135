@needs.scripted_model @needs.scripted_gateway @needs.scripted_ollama @needs.ollama @needs.ollama_api
Feature: A conversation is the same over every endpoint
  Some programs use the OpenAI API and others the Ollama API, and some users come from a real Ollama.
  With the same model file, all of them get the same text for the same number of tokens.

  Background:
    Given mistral.rs, the gateway and a real Ollama with the scripted model

  @critical
  Scenario Outline: Every endpoint gives the same answer about "<topic>"
    When a user asks every endpoint "Tell me about the <topic>"
    Then all answers are equal
    And the answer matches the script
    And all token counts are equal
    And every streamed answer equals the non-streamed one

    Examples: short answers
      | topic      |
      | lighthouse |
      | briefly    |
      | numbers    |

    Examples: texts that are easily corrupted on the way
      | topic     |
      | unicode   |
      | emoji     |
      | snippet   |
      | symbols   |
      | spacing   |

  @critical
  Scenario: Every endpoint remembers earlier messages
    Given a user has said "My name is Mara"
    And a user has said "Tell me about the violin"
    When a user asks every endpoint "What am I called?"
    Then all answers are equal
    And the answer matches the script
    And all token counts are equal

  @critical
  Scenario Outline: Every endpoint follows the system message of a <role>
    Given the system message "You are a <role>."
    When a user asks every endpoint "Tell me about the <topic>"
    Then all answers are equal
    And the answer matches the script
    And all token counts are equal

    Examples: roles
      | role   | topic   |
      | pirate | harbour |
      | butler | poem    |

  @critical
  Scenario Outline: Every endpoint truncates "<topic>" after <limit> tokens
    When a user asks every endpoint "Tell me about the <topic>" with
      | option | value   |
      | limit  | <limit> |
    Then all answers are equal
    And every answer finishes with "length"
    And all token counts are equal
    And every streamed answer equals the non-streamed one

    Examples: lengths
      | topic   | limit |
      | numbers | 1     |
      | story   | 12    |
      | forever | 20    |
