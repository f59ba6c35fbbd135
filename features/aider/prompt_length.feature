Feature: The length of a prompt and of the model's context
  Aider has the context length from the server where that states it. A prompt reaches the model from its beginning to
  its end, or is rejected: it is never cut silently.

  @normal @needs.command @needs.aider
  Scenario Outline: Aider has the context length from <server>
    Given the project "thermometer"
    And Aider is connected to <server> with
      | option   | value |
      | metadata | false |
    When Aider is asked "/tokens" with
      | option              | value |
      | show-model-warnings |       |
    Then Aider prints "16,384 tokens max context window size"
    And Aider does not print "Unknown context window size"

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | server      |
      | the gateway |

    @needs.ollama
    Examples: a real Ollama
      | server        |
      | a real Ollama |

  @normal @needs.command @needs.aider
  Scenario: Without metadata Aider warns of an unknown context length
    Given the project "thermometer"
    And Aider is connected to mistral.rs with
      | option   | value |
      | metadata | false |
    When Aider is asked "/tokens" with
      | option              | value |
      | show-model-warnings |       |
    Then Aider prints "Unknown context window size"

  @critical @needs.command @needs.aider
  Scenario Outline: <server> reads a long prompt from beginning to end
    Given the project "atlas"
    And Aider is connected to <server> with
      | option  | value |
      | context | 1024  |
    When Aider is asked "Where is the compass?" with
      | option      | value       |
      | edit-format | ask         |
      | read        | preface.txt |
      | file        | rivers.txt  |
    Then the model reads the whole prompt, or it is rejected for its length
    And Aider prints "The beginning was read."
    And the project is unchanged

    Examples: OpenAI API
      | server     |
      | mistral.rs |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | server      |
      | the gateway |

    @needs.ollama
    Examples: a real Ollama
      | server        |
      | a real Ollama |

  @critical @needs.command @needs.aider
  Scenario Outline: <server> never cuts a prompt beyond its context
    Given the project "atlas"
    And Aider is connected to <server> with
      | option   | value |
      | context  | 1024  |
      | metadata | false |
    When Aider is asked "Where is the compass?" with
      | option      | value       |
      | edit-format | ask         |
      | read        | preface.txt |
      | file        | oceans.txt  |
    Then Aider prints "exceeds the 1,024 token limit"
    And the project is unchanged
    And the model reads the whole prompt, or it is rejected for its length

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | server      |
      | the gateway |

    @needs.ollama
    Examples: a real Ollama
      | server        |
      | a real Ollama |
