Feature: Commit messages of Aider
  Aider asks the model for the message of each commit. Whatever comes back, the change is committed, and the
  developer finds it in the history.

  Background:
    Given the project "thermometer"

  @normal @needs.command @needs.aider
  Scenario Outline: Aider commits a change after <answer>
    Given Aider is connected to mistral.rs
    And the server answers with <answer>
    When Aider is asked "Correct the melting point" with
      | option | value          |
      | file   | thermometer.py |
    Then only "thermometer.py" is changed
    And Aider sends <requests> requests for a commit message
    And Aider adds 1 commit with
      | subject   |
      | <subject> |

    Examples: messages
      | answer                          | requests | subject                                 |
      | an empty commit message         | 2        | feat: change what was asked for         |
      | empty commit messages only      | 2        | (no commit message provided)            |
      | errors for commit messages      | 2        | (no commit message provided)            |
      | a commit message in quotes      | 1        | feat: change what was asked for         |
      | a commit message in a fence     | 1        | ``` feat: change what was asked for ``` |
      | a commit message with reasoning | 1        | feat: change what was asked for         |

  @normal @needs.command @needs.aider
  Scenario Outline: With <server> Aider commits it after <answer>
    Given Aider is connected to <server>
    And the server answers with <answer>
    When Aider is asked "Correct the melting point" with
      | option | value          |
      | file   | thermometer.py |
    Then only "thermometer.py" is changed
    And Aider sends <requests> requests for a commit message
    And Aider adds 1 commit with
      | subject   |
      | <subject> |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | answer                          | server      | requests | subject                                 |
      | an empty commit message         | the gateway | 2        | feat: change what was asked for         |
      | a commit message in a fence     | the gateway | 1        | ``` feat: change what was asked for ``` |
      | a commit message with reasoning | the gateway | 1        | feat: change what was asked for         |

    @needs.ollama
    Examples: a real Ollama
      | answer                     | server        | requests | subject                      |
      | empty commit messages only | a real Ollama | 2        | (no commit message provided) |

  @normal @needs.command @needs.aider
  Scenario Outline: The weak model of <server> writes the commit message
    Given Aider is connected to <server>
    And the file ".aider.model.settings.yml" in the project
      """
      - name: ollama_chat/<model>
        edit_format: whole
        weak_model_name: ollama_chat/<model>:latest
      """
    When Aider is asked "Correct the melting point" with
      | option | value          |
      | file   | thermometer.py |
    Then Aider commits a change of "thermometer.py"
    And each request for an edit has the fields
      | option | value   |
      | model  | <model> |
    And each request for a commit message has the fields
      | option | value          |
      | model  | <model>:latest |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | server      | model    |
      | the gateway | scripted |

    @needs.ollama
    Examples: a real Ollama
      | server        | model                  |
      | a real Ollama | acceptance-thermometer |
