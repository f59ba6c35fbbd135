Feature: Aider survives failures of the server
  A server may reject a request, break off or send nothing. Aider repeats what may succeed, reports what cannot,
  and never leaves a file half-edited.

  Background:
    Given the project "thermometer"

  @critical @needs.command @needs.aider
  Scenario Outline: Aider repeats the request after <failure>
    Given Aider is connected to mistral.rs
    And the server answers with <failure>
    When Aider is asked "Correct the melting point" with
      | option  | value          |
      | timeout | 3              |
      | file    | thermometer.py |
    Then Aider sends 2 requests for an edit
    And the tests "test_ice" of the project pass
    And only "thermometer.py" is changed

    Examples: failures that pass
      | failure               |
      | one busy error        |
      | one server error      |
      | one closed connection |
      | one broken stream     |
      | one malformed event   |
      | one stalled stream    |

  @critical @needs.command @needs.aider
  Scenario Outline: Aider reports <failure> and changes nothing
    Given Aider is connected to mistral.rs
    And the server answers with <failure>
    When Aider is asked "Correct the melting point" with
      | option | value          |
      | file   | thermometer.py |
    Then Aider prints "<message>"
    And Aider sends 1 request for an edit
    And the project is unchanged

    Examples: failures that stay
      | failure                 | message                             |
      | a wrong key             | litellm.AuthenticationError         |
      | an unknown model        | litellm.NotFoundError               |
      | an invalid request      | litellm.BadRequestError             |
      | a full context          | has hit a token limit               |
      | an empty answer         | Empty response received from LLM    |
      | an answer cut by length | has hit a token limit               |

  @critical @needs.command @needs.aider @needs.ollama_api
  Scenario Outline: Over the Ollama API Aider repeats it after <failure>
    Given Aider is connected to the gateway
    And the server answers with <failure>
    When Aider is asked "Correct the melting point" with
      | option  | value          |
      | timeout | 3              |
      | file    | thermometer.py |
    Then Aider sends 2 requests for an edit
    And the tests "test_ice" of the project pass
    And only "thermometer.py" is changed

    Examples: failures that pass
      | failure           |
      | one server error  |
      | one broken stream |

  @critical @needs.command @needs.aider @needs.ollama_api
  Scenario Outline: Over the Ollama API Aider reports <failure>
    Given Aider is connected to the gateway
    And the server answers with <failure>
    When Aider is asked "Correct the melting point" with
      | option | value          |
      | file   | thermometer.py |
    Then Aider prints "<message>"
    And Aider sends <number> requests for an edit
    And the project is unchanged

    Examples: failures that stay
      | failure                 | message                          | number |
      | an unknown model        | model 'scripted' not found       | 5      |
      | an empty answer         | Empty response received from LLM | 1      |
      | an answer cut by length | has hit a token limit            | 1      |
