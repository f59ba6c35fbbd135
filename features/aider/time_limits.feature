Feature: Time limits of Aider
  A slow server gets time as long as it sends something. After a time-out Aider repeats its request: what it waits for
  no more is cancelled. Without a time limit it waits for a stalled stream until its user, here the suite, ends it.

  @critical @needs.command @needs.aider
  Scenario: Comments bridge a prefill beyond the time limit
    Given the project "thermometer"
    And Aider is connected to mistral.rs
    And the server answers with comments for 4 seconds
    When Aider is asked "Correct the melting point" with
      | option  | value          |
      | timeout | 3              |
      | file    | thermometer.py |
    Then Aider commits a change of "thermometer.py"
    And Aider sends 1 request for an edit

  @slow @normal @needs.command @needs.aider
  Scenario: The server's own comments bridge a long prefill
    Given the project "atlas"
    And the variable "KEEP_ALIVE_INTERVAL" of mistral.rs is "400"
    And Aider is connected to mistral.rs
    When Aider is asked "Where is the compass?" with
      | option      | value     |
      | edit-format | ask       |
      | timeout     | 2         |
      | file        | lakes.txt |
    Then Aider prints "The end was read."
    And Aider receives 6 comments or more before an answer

  @critical @needs.command @needs.aider
  Scenario Outline: A <form> answer is cancelled after Aider's time limit
    Given the project "tides"
    And Aider is connected to <server>
    And the server answers with stalled streams only
    When Aider is asked "Describe the waves" with
      | option      | value |
      | edit-format | ask   |
      | <option>    |       |
      | timeout     | 1     |
    Then Aider prints "timed out"
    And Aider sends 5 requests for an edit, and waits at most <wait>
    And the server cancels that generation within 2 seconds

    Examples: OpenAI API
      | form         | server     | option    | wait         |
      | streamed     | mistral.rs | stream    | 7.75 seconds |
      | non-streamed | mistral.rs | no-stream | 6.25 seconds |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | form                   | server      | option    | wait         |
      | gateway's streamed     | the gateway | stream    | 7.75 seconds |
      | gateway's non-streamed | the gateway | no-stream | 7.75 seconds |

  @critical @needs.command @needs.aider
  Scenario Outline: Aider waits without limit for a stalled stream of <server>
    Given the project "thermometer"
    And Aider is connected to <server> with
      | option | value |
      | limit  | 4     |
    And the server answers with one stalled stream
    When Aider is asked "Correct the melting point" with
      | option | value          |
      | file   | thermometer.py |
    Then Aider has to be ended by the suite
    And Aider sends 1 request for an edit
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
  Scenario Outline: An unreachable server is reported over the <api>
    Given the project "thermometer"
    And Aider is connected to <server>
    And the variable "<variable>" of Aider is "<address>"
    When Aider is asked "Correct the melting point" with
      | option | value          |
      | file   | thermometer.py |
    Then Aider prints "<message>" and "Retrying in"
    And the project is unchanged

    Examples: OpenAI API
      | api        | server     | variable        | address               | message                             |
      | OpenAI API | mistral.rs | OPENAI_API_BASE | http://127.0.0.1:1/v1 | OpenAIException - Connection error. |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | api        | server      | variable        | address            | message                               |
      | Ollama API | the gateway | OLLAMA_API_BASE | http://127.0.0.1:1 | Error getting model info for scripted |
