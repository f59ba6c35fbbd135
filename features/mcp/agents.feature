@needs.command @needs.speaking @needs.mcp_server
Feature: Agents use the model as a tool
  An agent connects with the client that everybody uses, finds the chat tool and calls it. What comes
  back has to be the model's answer to the letter, whoever asks beside it.

  @blocker @smoke
  Scenario: The official client finds the chat tool
    Given a server that offers MCP
    When an agent comes with the official client
    Then it learns who the server is
    And it is offered the tool "chat", which wants "messages"

  @critical
  Scenario Outline: An agent that asks about "<topic>" gets the exact answer
    Given a server that offers MCP
    When an agent asks "Tell me about the <topic>" with the official client
    Then every agent has the answer of the script

    Examples: plain, long and awkward texts
      | topic   |
      | harbour |
      | poem    |
      | unicode |
      | symbols |
      | invoice |
      | story   |

  @critical
  Scenario Outline: <agents> agents at once each get their own answer
    Given a server that offers MCP
    When <agents> agents ask different questions at the same moment
    Then every agent has the answer of the script

    Examples: how many
      | agents |
      | 2      |
      | 8      |

  @normal
  Scenario: One port for the API and for MCP is refused
    Given a model in the GGUF format
    And MCP set up with "one port for the API and for MCP"
    When the operator starts the server with it
    Then the start is refused within 10 seconds
    And the error names the problem
