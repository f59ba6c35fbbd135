@needs.ollama_api
Feature: Ollama's own Python client works with the server
  Most programs do not speak to the server themselves but through Ollama's own client. It has to
  find everything where it looks for it.

  @critical
  Scenario Outline: The official client: <walk>
    When an Ollama client goes through "<walk>"
    Then every step is answered as documented

    Examples: the client's methods
      | walk                                                        |
      | the official client chats                                   |
      | the official client reads a stream                          |
      | the official client completes a prompt                      |
      | the official client makes vectors                           |
      | the official client lists, shows and sees what is loaded    |
      | the official client tells of an unknown model as not found  |
      | the official client gets a call of a tool                   |
