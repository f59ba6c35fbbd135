Feature: Aider survives failures of the server
  A server may reject a request, break off or send nothing. Aider repeats what may succeed, reports what cannot,
  and never leaves a file half-edited. It waits no longer than for its retries and for what the server wants.

  Background:
    Given the project "thermometer"

  @critical @needs.command @needs.aider
  Scenario Outline: Aider repeats the request after <failure>
    Given Aider is connected to mistral.rs
    And the server answers with <failure>
    When Aider is asked "Correct the melting point" with
      | option  | value          |
      | timeout | <limit>        |
      | file    | thermometer.py |
    Then Aider sends 2 requests for an edit, and waits at most <wait>
    And the tests "test_ice" of the project pass
    And only "thermometer.py" is changed

    Examples: failures that pass
      | failure               | limit | wait         |
      | one busy error        | 60    | 1 second     |
      | one server error      | 60    | 0.5 seconds  |
      | one closed connection | 60    | 0.5 seconds  |
      | one broken stream     | 60    | 0.25 seconds |
      | one malformed event   | 60    | 0.25 seconds |
      | one stalled stream    | 5     | 5.25 seconds |

  @critical @needs.command @needs.aider
  Scenario: An edit block that ends early is not applied
    Given Aider is connected to mistral.rs
    And the server answers with one early end
    When Aider is asked "Correct the point of vapour" with
      | option      | value          |
      | edit-format | diff           |
      | file        | thermometer.py |
    Then Aider sends 2 requests for an edit, and waits at most 0 seconds
    And the tests "test_steam" of the project pass
    And only "thermometer.py" is changed

  @critical @needs.command @needs.aider
  Scenario Outline: Aider reports <failure> and changes nothing
    Given Aider is connected to mistral.rs
    And the server answers with <failure>
    When Aider is asked "Correct the melting point" with
      | option | value          |
      | file   | thermometer.py |
    Then Aider prints "<message>"
    And Aider sends <requests> request for an edit, and waits at most 0 seconds
    And the project is unchanged

    Examples: failures that stay
      | failure                   | message                          | requests |
      | a wrong key               | litellm.AuthenticationError      | 1        |
      | an unknown model          | litellm.NotFoundError            | 1        |
      | an invalid request        | litellm.BadRequestError          | 1        |
      | unprocessable fields only | 'NoneType' object                | 2        |
      | a full context            | has hit a token limit            | 1        |
      | an empty answer           | Empty response received from LLM | 1        |
      | an answer cut by length   | has hit a token limit            | 1        |

  @critical @needs.command @needs.aider @needs.ollama_api
  Scenario Outline: Over the Ollama API Aider repeats it after <failure>
    Given Aider is connected to the gateway
    And the server answers with <failure>
    When Aider is asked "Correct the melting point" with
      | option  | value          |
      | timeout | <limit>        |
      | file    | thermometer.py |
    Then Aider sends 2 requests for an edit, and waits at most <wait>
    And the tests "test_ice" of the project pass
    And only "thermometer.py" is changed

    Examples: failures that pass
      | failure               | limit | wait         |
      | one server error      | 60    | 0.25 seconds |
      | one closed connection | 60    | 0.25 seconds |
      | one broken stream     | 60    | 0.25 seconds |
      | one stalled stream    | 5     | 5.25 seconds |

  @critical @needs.command @needs.aider @needs.ollama_api
  Scenario Outline: Over the Ollama API Aider reports <failure>
    Given Aider is connected to the gateway
    And the server answers with <failure>
    When Aider is asked "Correct the melting point" with
      | option | value          |
      | file   | thermometer.py |
    Then Aider prints "<message>"
    And Aider sends <number> requests for an edit, and waits at most <wait>
    And the project is unchanged

    Examples: failures that stay
      | failure                 | message                          | number | wait         |
      | an unknown model        | model 'scripted' not found       | 5      | 3.75 seconds |
      | an empty answer         | Empty response received from LLM | 1      | 0 seconds    |
      | an answer cut by length | has hit a token limit            | 1      | 0 seconds    |

  @slow @normal @needs.command @needs.aider @budget.300s
  Scenario Outline: Aider gives up on <server> after a minute of errors
    Given Aider is connected to <server> with
      | option  | value |
      | repeats | all   |
    And the server answers with server errors only
    When Aider is asked "Correct the melting point" with
      | option | value          |
      | file   | thermometer.py |
    Then Aider exits with code 0
    And Aider sends <number> requests for an edit, and waits at most <wait>
    And the project is unchanged

    Examples: OpenAI API
      | server     | number | wait          |
      | mistral.rs | 27     | 77.25 seconds |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | server      | number | wait          |
      | the gateway | 9      | 63.75 seconds |
