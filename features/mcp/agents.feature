@needs.command @needs.scripted_model @needs.mcp_server
Feature: Agents use the model as a tool
  An agent connects with the official SDK, finds the chat tool and calls it. The result has to be
  the exact answer of the model, also when other agents call it at the same time.

  Background:
    Given an MCP server with the scripted model

  @critical @smoke
  Scenario: The official SDK finds the chat tool
    When an agent connects with the official SDK
    Then the agent sees name and version of the server, and the tool "chat" with the parameter "messages"

  @critical
  Scenario Outline: An agent gets the exact answer about "<topic>"
    When an agent asks about "<topic>"
    Then the answer matches the script

    Examples: plain, long and awkward texts
      | topic   |
      | harbour |
      | poem    |
      | unicode |
      | symbols |
      | invoice |
      | story   |

  @critical
  Scenario Outline: <number> concurrent agents get their own answers
    When agents ask about "<topics>" concurrently
    Then the answer matches the script

    Examples: one topic for each agent
      | number | topics                                                                  |
      | 2      | lighthouse, harbour                                                     |
      | 8      | lighthouse, harbour, glacier, violin, comet, copper, orchard, falcon    |
