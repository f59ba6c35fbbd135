Feature: Configuration of Aider by its user
  Options come from the command line, the environment and configuration files, in this order. A mistake is
  reported, and no request is sent.

  Background:
    Given the project "thermometer"
    And Aider is connected to mistral.rs

  @normal @needs.command @needs.aider
  Scenario: A configuration file in the home folder applies
    Given the file ".aider.conf.yml" in the home folder
      """
      edit-format: udiff
      """
    When Aider is started
    Then Aider prints "with udiff edit format"

  @normal @needs.command @needs.aider
  Scenario: The project's file takes precedence over the home folder's
    Given the file ".aider.conf.yml" in the home folder
      """
      edit-format: udiff
      """
    And the file ".aider.conf.yml" in the project
      """
      edit-format: diff
      """
    When Aider is started
    Then Aider prints "with diff edit format"

  @normal @needs.command @needs.aider
  Scenario: The environment takes precedence over a configuration file
    Given the file ".aider.conf.yml" in the project
      """
      edit-format: udiff
      """
    And the variable "AIDER_EDIT_FORMAT" of Aider is "diff"
    When Aider is started
    Then Aider prints "with diff edit format"

  @normal @needs.command @needs.aider
  Scenario: The command line takes precedence over the environment
    Given the variable "AIDER_EDIT_FORMAT" of Aider is "udiff"
    When Aider is started with
      | option      | value |
      | edit-format | diff  |
    Then Aider prints "with diff edit format"

  @normal @needs.command @needs.aider
  Scenario: Model settings reach the server with each request
    Given the file ".aider.model.settings.yml" in the project
      """
      - name: openai/default
        edit_format: whole
        use_temperature: 0.25
        extra_params:
          seed: 7
          max_tokens: 500
      """
    When Aider is asked "Correct the melting point" with
      | option | value          |
      | file   | thermometer.py |
    Then Aider commits a change of "thermometer.py"
    And each request for an edit has the fields
      | option      | value |
      | temperature | 0.25  |
      | seed        | 7     |
      | max_tokens  | 500   |

  @normal @needs.command @needs.aider
  Scenario: The project's metadata takes precedence over the home folder's
    Given the file ".aider.model.metadata.json" in the project
      """
      {"openai/default": {"max_input_tokens": 2048, "litellm_provider": "openai", "mode": "chat"}}
      """
    When Aider is asked "/tokens"
    Then Aider prints "2,048 tokens max context window size"
    And Aider sends 0 requests for an edit

  @normal @needs.command @needs.aider @needs.ollama_api
  Scenario: Model settings reach the Ollama API as options
    Given Aider is connected to the gateway
    And the file ".aider.model.settings.yml" in the project
      """
      - name: ollama_chat/scripted
        edit_format: whole
        use_temperature: 0.25
        extra_params:
          seed: 7
          num_ctx: 8192
      """
    When Aider is asked "Correct the melting point" with
      | option | value          |
      | file   | thermometer.py |
    Then Aider commits a change of "thermometer.py"
    And each request for an edit has the fields
      | option  | value                                             |
      | options | {"temperature": 0.25, "seed": 7, "num_ctx": 8192} |

  @minor @needs.command @needs.aider
  Scenario Outline: <mistake> is reported before any request
    When Aider is started with
      | option   | value   |
      | <option> | <value> |
    Then Aider prints "<message>"
    And Aider exits with code <code>
    And Aider sends 0 requests for an edit

    Examples: mistakes
      | mistake                | option      | value | message                | code |
      | An unknown option      | no-such     |       | unrecognized arguments | 2    |
      | An unknown edit format | edit-format | typed | invalid choice         | 2    |
      | A test without command | test        |       | No --test-cmd          | 1    |

  @minor @needs.command @needs.aider
  Scenario: A wrong variable is reported before any request
    Given the variable "AIDER_EDIT_FORMAT" of Aider is "typed"
    When Aider is started
    Then Aider prints "invalid choice"
    And Aider exits with code 2
    And Aider sends 0 requests for an edit

  @minor @needs.command @needs.aider
  Scenario Outline: <mistake> is reported at the start
    Given the file "<file>" in the project
      """
      <content>
      """
    When Aider is started
    Then Aider prints "<message>"
    And Aider exits with code <code>
    And Aider sends 0 requests for an edit

    Examples: files
      | mistake                  | file                       | content                              | message                             | code |
      | An unknown key           | .aider.conf.yml            | no-such-key: 1                       | no-such-key                         | 2    |
      | A file that is no YAML   | .aider.conf.yml            | edit-format: [                       | Couldn't parse config file          | 2    |
      | An unknown model setting | .aider.model.settings.yml  | [{name: openai/default, no_such: 1}] | unexpected keyword argument         | 0    |
      | Metadata without an end  | .aider.model.metadata.json | {"openai/default":                   | Error loading model metadata models | 0    |
      | A wrong value in .env    | .env                       | AIDER_EDIT_FORMAT=typed              | invalid choice                      | 2    |
