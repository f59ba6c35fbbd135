Feature: Third-party clients work unchanged
  Users run the ollama command, and programs use libraries. Both have to get the same results
  from the gateway as from a real Ollama.

  @critical @needs.ollama @needs.ollama_command
  Scenario Outline: The ollama command can <task> on <server>
    Given <server> with any model
    When the ollama command runs the task "<task>" on <server>
    Then the client returns "<result>"

    @needs.ollama_api
    Examples: on the gateway
      | server      | task                   | result                                        |
      | the gateway | list the models        | the model name                                |

    @needs.ollama_api @needs.model_file
    Examples: metadata on the gateway
      | server      | task         | result             |
      | the gateway | show a model | the context length |

    @needs.ollama_api @needs.scripted_gateway
    Examples: answers of the gateway
      | server      | task                   | result                                        |
      | the gateway | ask a question         | The comet comes back every seventy-six years. |
      | the gateway | list the loaded models | the model name                                |

    @needs.ollama_api @needs.command
    Examples: changes on the gateway
      | server      | task          | result                      |
      | the gateway | copy a model  | the name of the copy        |
      | the gateway | remove a copy | the model name, and no copy |

    Examples: on a real Ollama
      | server        | task                   | result                                        |
      | a real Ollama | list the models        | the model name                                |
      | a real Ollama | show a model           | the context length                            |

    @needs.scripted_ollama
    Examples: answers of a real Ollama
      | server        | task                   | result                                        |
      | a real Ollama | ask a question         | The comet comes back every seventy-six years. |
      | a real Ollama | list the loaded models | the model name                                |

    @needs.own_ollama
    Examples: changes on a real Ollama
      | server        | task                   | result                                        |
      | a real Ollama | unload a model         | no loaded model                               |
      | a real Ollama | copy a model           | the name of the copy                          |
      | a real Ollama | remove a copy          | the model name, and no copy                   |

  @critical @needs.ollama @needs.ollama_command @needs.ollama_api @needs.command @needs.own_routes
  Scenario: The ollama command can unload a model of the gateway
    Given a dedicated server with an unloadable model behind a gateway
    When the ollama command runs the task "unload a model" on the gateway
    Then the client returns "no loaded model"

  @normal @slow @needs.langchain
  Scenario Outline: A LangChain program can <task> on <server>
    Given <server> with any model
    When a LangChain program runs the task "<task>" on <server>
    Then the client returns "<result>"

    @needs.scripted_model
    Examples: OpenAI adapter
      | server     | task             | result                                        |
      | mistral.rs | ask a question   | The comet comes back every seventy-six years. |
      | mistral.rs | read a stream    | The comet comes back every seventy-six years. |
      | mistral.rs | remember a name  | You are Mara, and I will remember it.         |
      | mistral.rs | count the tokens | token counts that add up                      |

    @needs.ollama_api @needs.scripted_gateway
    Examples: Ollama adapter on the gateway
      | server      | task             | result                                        |
      | the gateway | ask a question   | The comet comes back every seventy-six years. |
      | the gateway | read a stream    | The comet comes back every seventy-six years. |
      | the gateway | remember a name  | You are Mara, and I will remember it.         |
      | the gateway | count the tokens | token counts that add up                      |

    @needs.ollama @needs.scripted_ollama
    Examples: Ollama adapter on a real Ollama
      | server        | task             | result                                        |
      | a real Ollama | ask a question   | The comet comes back every seventy-six years. |
      | a real Ollama | read a stream    | The comet comes back every seventy-six years. |
      | a real Ollama | count the tokens | token counts that add up                      |
