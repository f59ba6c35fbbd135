Feature: An interactive session of Aider
  A developer works in a session for hours: takes changes back, looks at the size of the context, and forgets
  what is no longer needed.

  Background:
    Given the project "thermometer"

  @critical @needs.command @needs.aider @needs.pty
  Scenario Outline: A change committed with <server> is taken back with /undo
    Given Aider is connected to <server>
    And a session of Aider with
      | option | value          |
      | file   | thermometer.py |
    When the developer enters
      | line                      | times | output                         |
      | Correct the melting point | 1     | Applied edit to thermometer.py |
      | /undo                     | 1     | Removed:                       |
    Then each line has the listed output
    And the project is unchanged
    And Aider adds 0 commits

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

  @normal @needs.command @needs.aider @needs.pty
  Scenario Outline: Dropped files and cleared history are not sent to <server>
    Given Aider is connected to <server>
    And a session of Aider with
      | option      | value          |
      | edit-format | ask            |
      | file        | thermometer.py |
    When the developer enters
      | line                        | times | output                               |
      | Where is the melting point? | 1     | FREEZING = 32.0                      |
      | /tokens                     | 1     | tokens total                         |
      | /drop thermometer.py        | 1     | Removed thermometer.py from the chat |
      | /clear                      | 1     | All chat history cleared.            |
      | What is left?               | 1     | There is nothing to change.          |
    Then each line has the listed output
    And the model does not receive "FREEZING"
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
