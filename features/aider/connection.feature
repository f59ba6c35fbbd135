Feature: Where Aider takes its connection from
  The address, the key and the model come from the command line, the environment or a file. One file is enough, and
  where several differ, their order decides.

  Background:
    Given the project "thermometer"

  @normal @needs.command @needs.aider
  Scenario Outline: A configuration file in <place> connects Aider to <server>
    Given Aider is connected to <server> with
      | option      | value |
      | environment | false |
      | model       | false |
    And the file ".aider.conf.yml" in <place>
      """
      model: {model}
      set-env: [<variable>={address}]
      openai-api-key: unused
      """
    When Aider is asked "Correct the melting point" with
      | option | value          |
      | file   | thermometer.py |
    Then Aider commits a change of "thermometer.py"
    And Aider sends 1 request for an edit

    Examples: OpenAI API
      | place           | server     | variable        |
      | the project     | mistral.rs | OPENAI_API_BASE |
      | the home folder | mistral.rs | OPENAI_API_BASE |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | place       | server      | variable        |
      | the project | the gateway | OLLAMA_API_BASE |

    @needs.ollama
    Examples: a real Ollama
      | place       | server        | variable        |
      | the project | a real Ollama | OLLAMA_API_BASE |

  @normal @needs.command @needs.aider
  Scenario Outline: <variable> of an .env file in <place> connects Aider
    Given Aider is connected to <server> with
      | option      | value |
      | environment | false |
      | model       | false |
    And the file ".env" in <place>
      """
      AIDER_MODEL={model}
      <variable>={address}
      OPENAI_API_KEY=unused
      """
    When Aider is asked "Correct the melting point" with
      | option | value          |
      | file   | thermometer.py |
    Then Aider commits a change of "thermometer.py"
    And Aider sends 1 request for an edit

    Examples: OpenAI API
      | variable              | place           | server     |
      | OPENAI_API_BASE       | the project     | mistral.rs |
      | AIDER_OPENAI_API_BASE | the project     | mistral.rs |
      | OPENAI_API_BASE       | the home folder | mistral.rs |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | variable        | place       | server      |
      | OLLAMA_API_BASE | the project | the gateway |

    @needs.ollama
    Examples: a real Ollama
      | variable        | place           | server        |
      | OLLAMA_API_BASE | the home folder | a real Ollama |

  @normal @needs.command @needs.aider
  Scenario Outline: The address of <first> takes precedence over <second>
    Given Aider is connected to <server>
    And the file "<file>" in the project
      """
      <content>
      """
    And the variable "<variable>" of Aider is "<value>"
    When Aider is asked "Correct the melting point" with
      | option   | value          |
      | file     | thermometer.py |
      | <option> | <argument>     |
    Then Aider commits a change of "thermometer.py"
    And Aider sends 1 request for an edit

    Examples: OpenAI API
      | first                | second               | file            | content                         | variable              | value         | option          | argument                      | server     |
      | the command line     | an AIDER_ variable   | .aider.conf.yml | openai-api-base: {unreachable}  | AIDER_OPENAI_API_BASE | {unreachable} | openai-api-base | {address}                     | mistral.rs |
      | the command line     | an .env file         | .env            | OPENAI_API_BASE={unreachable}   | OPENAI_API_BASE       | {unreachable} | openai-api-base | {address}                     | mistral.rs |
      | an AIDER_ variable   | a configuration file | .aider.conf.yml | openai-api-base: {unreachable}  | AIDER_OPENAI_API_BASE | {address}     | set-env         | OPENAI_API_BASE={unreachable} | mistral.rs |
      | a configuration file | OPENAI_API_BASE      | .aider.conf.yml | openai-api-base: {address}      | OPENAI_API_BASE       | {unreachable} | timeout         | 60                            | mistral.rs |
      | an .env file         | OPENAI_API_BASE      | .env            | OPENAI_API_BASE={address}       | OPENAI_API_BASE       | {unreachable} | timeout         | 60                            | mistral.rs |
      | an .env file         | an AIDER_ variable   | .env            | AIDER_OPENAI_API_BASE={address} | AIDER_OPENAI_API_BASE | {unreachable} | timeout         | 60                            | mistral.rs |
      | OPENAI_BASE_URL      | the command line     | .env            | OPENAI_API_BASE={unreachable}   | OPENAI_BASE_URL       | {address}     | openai-api-base | {unreachable}                 | mistral.rs |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | first                | second          | file            | content                              | variable        | value         | option  | argument                  | server      |
      | an --set-env option  | an .env file    | .env            | OLLAMA_API_BASE={unreachable}        | OLLAMA_API_BASE | {unreachable} | set-env | OLLAMA_API_BASE={address} | the gateway |
      | an .env file         | OLLAMA_API_BASE | .env            | OLLAMA_API_BASE={address}            | OLLAMA_API_BASE | {unreachable} | timeout | 60                        | the gateway |
      | a configuration file | OLLAMA_API_BASE | .aider.conf.yml | set-env: [OLLAMA_API_BASE={address}] | OLLAMA_API_BASE | {unreachable} | timeout | 60                        | the gateway |

  @normal @needs.command @needs.aider
  Scenario Outline: The model of <first> takes precedence over <second>
    Given Aider is connected to mistral.rs with
      | option | value |
      | model  | false |
    And the file "<file>" in the project
      """
      <content>
      """
    And the variable "AIDER_MODEL" of Aider is "<value>"
    When Aider is started with
      | option   | value      |
      | <option> | <argument> |
    Then Aider prints "Model: openai/first with"
    And Aider sends 0 requests for an edit

    Examples: models
      | first              | second               | file            | content                  | value         | option  | argument     |
      | the command line   | an AIDER_ variable   | .aider.conf.yml | model: openai/third      | openai/second | model   | openai/first |
      | an AIDER_ variable | a configuration file | .aider.conf.yml | model: openai/second     | openai/first  | timeout | 60           |
      | an .env file       | an AIDER_ variable   | .env            | AIDER_MODEL=openai/first | openai/second | timeout | 60           |
