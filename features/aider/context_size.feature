Feature: The context size in Aider's requests over the Ollama API
  Aider requests a context of the prompt's length and a quarter more, which changes with each turn. A server that
  follows has to load the model again.

  Background:
    Given the project "archive"

  @critical @needs.command @needs.aider @needs.pty @needs.ollama_api
  Scenario: The gateway's model stays loaded in a session
    Given Aider is connected to the gateway
    And a session of Aider with
      | option      | value      |
      | edit-format | ask        |
      | file        | letters.py |
    When the developer enters
      | line                  | times | output                      |
      | And what is in there? | 5     | There is nothing to change. |
    Then each line has the listed output
    And the model stays loaded

  @critical @needs.command @needs.aider @needs.pty @needs.ollama @needs.own_ollama
  Scenario: Ollama's model stays loaded for 30 turns of fixed size
    Given Aider is connected to a real Ollama
    And the file ".aider.model.settings.yml" in the project
      """
      - name: aider/extra_params
        extra_params:
          num_ctx: 12288
      """
    And a session of Aider with
      | option      | value      |
      | edit-format | ask        |
      | file        | letters.py |
    When the developer enters
      | line                           | times | output                          |
      | The archive is called larkspur | 1     | The archive is called Larkspur. |
      | And what else is there?        | 29    | The archive is called Larkspur. |
    Then each line has the listed output
    And the model stays loaded

  @minor @needs.command @needs.aider @needs.pty @needs.ollama
  Scenario: Reloads of Ollama's model in a session are counted
    Given Aider is connected to a real Ollama
    And a session of Aider with
      | option      | value      |
      | edit-format | ask        |
      | file        | letters.py |
    When the developer enters
      | line                  | times | output                      |
      | And what is in there? | 5     | There is nothing to change. |
    Then each line has the listed output
    And the project is unchanged
