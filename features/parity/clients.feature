Feature: Other people's clients work as their users are used to
  Nobody writes requests by hand: users type Ollama's own command, and programs are built on
  libraries. What they get from the gateway has to be what they get from a real Ollama.

  @critical @needs.ollama
  Scenario Outline: Ollama's own command can <errand> on <server>
    When a user of Ollama's own command wants to "<errand>" on <server>
    Then the user gets "<outcome>"

    @needs.ollama_api
    Examples: on the gateway
      | server      | errand               | outcome                                       |
      | the gateway | list the models      | the name of the model                         |
      | the gateway | show what a model is | the length of its context                     |
      | the gateway | ask a question       | The comet comes back every seventy-six years. |
      | the gateway | see what is loaded   | the name of the model                         |
      | the gateway | copy a model         | the name of the copy                          |
      | the gateway | remove a copy        | the name of the model, and no copy            |

    Examples: on a real Ollama
      | server        | errand               | outcome                                       |
      | a real Ollama | list the models      | the name of the model                         |
      | a real Ollama | show what a model is | the length of its context                     |
      | a real Ollama | ask a question       | The comet comes back every seventy-six years. |
      | a real Ollama | see what is loaded   | the name of the model                         |
      | a real Ollama | unload a model       | that no model is loaded                       |
      | a real Ollama | copy a model         | the name of the copy                          |
      | a real Ollama | remove a copy        | the name of the model, and no copy            |

  @critical @needs.ollama @needs.ollama_api @needs.command @needs.own_routes
  Scenario: Ollama's own command can unload a model on the gateway
    Given a server whose model may be unloaded, with a gateway before it
    When a user of Ollama's own command wants to "unload a model" on the gateway
    Then the user gets "that no model is loaded"

  @normal @slow
  Scenario Outline: A program built on LangChain can <journey> on <server>
    When a program built on LangChain wants to "<journey>" on <server>
    Then the user gets "<outcome>"

    @needs.speaking
    Examples: OpenAI's adapter
      | server     | journey             | outcome                                       |
      | mistral.rs | ask a question      | The comet comes back every seventy-six years. |
      | mistral.rs | read a stream       | The comet comes back every seventy-six years. |
      | mistral.rs | remember a name     | You are Mara, and I will remember it.         |
      | mistral.rs | count what it spent | counts of prompt and answer that add up       |

    @needs.ollama_api
    Examples: Ollama's adapter on the gateway
      | server      | journey             | outcome                                       |
      | the gateway | ask a question      | The comet comes back every seventy-six years. |
      | the gateway | read a stream       | The comet comes back every seventy-six years. |
      | the gateway | remember a name     | You are Mara, and I will remember it.         |
      | the gateway | count what it spent | counts of prompt and answer that add up       |

    @needs.ollama
    Examples: Ollama's adapter on a real Ollama
      | server        | journey             | outcome                                       |
      | a real Ollama | ask a question      | The comet comes back every seventy-six years. |
      | a real Ollama | read a stream       | The comet comes back every seventy-six years. |
      | a real Ollama | count what it spent | counts of prompt and answer that add up       |
