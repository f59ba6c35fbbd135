@needs.command @needs.ollama @needs.ollama_api
Feature: Other people's clients work as their users are used to
  Nobody writes requests by hand: users type Ollama's own command, and programs are built on
  libraries. What they get from the gateway has to be what they get from a real Ollama.

  @critical
  Scenario Outline: Ollama's own command can <errand> on <server>
    When a user of Ollama's own command wants to "<errand>" on <server>
    Then what was to come has come

    Examples: on the gateway
      | server      | errand               |
      | the gateway | list the models      |
      | the gateway | show what a model is |
      | the gateway | ask a question       |
      | the gateway | see what is loaded   |
      | the gateway | copy a model         |
      | the gateway | remove a copy        |

    Examples: on a real Ollama
      | server        | errand               |
      | a real Ollama | list the models      |
      | a real Ollama | show what a model is |
      | a real Ollama | ask a question       |
      | a real Ollama | see what is loaded   |
      | a real Ollama | unload a model       |
      | a real Ollama | copy a model         |
      | a real Ollama | remove a copy        |

  @normal @slow
  Scenario Outline: A program built on LangChain can <journey> on <server>
    When a program built on LangChain wants to "<journey>" on <server>
    Then what was to come has come

    Examples: OpenAI's adapter
      | server     | journey             |
      | mistral.rs | ask a question      |
      | mistral.rs | read a stream       |
      | mistral.rs | remember a name     |
      | mistral.rs | count what it spent |

    Examples: Ollama's adapter
      | server        | journey             |
      | the gateway   | ask a question      |
      | the gateway   | read a stream       |
      | the gateway   | remember a name     |
      | the gateway   | count what it spent |
      | a real Ollama | ask a question      |
      | a real Ollama | read a stream       |
      | a real Ollama | count what it spent |
