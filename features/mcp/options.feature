@needs.command @needs.scripted_model
Feature: MCP options take effect
  An operator who sets the options for MCP relies on them. A program that accepts an option and ignores
  it leaves agents without a connection, and reports nothing.

  @critical @smoke
  Scenario: A server with an MCP port serves MCP
    Given an MCP server with the scripted model
    When an agent sends "initialize"
    Then the reply is "an initialize result"

  @critical
  Scenario: A server lists the tools of configured tool servers
    Given a server configured with the tool servers "http_1" and "http_2"
    When a user asks "How are you?"
    Then the answer is "No tool is needed for that, so here is a plain answer."
    And the tool server "http_1" received initialize and tools/list
    And the tool server "http_2" received initialize and tools/list

  @normal @needs.mcp_server
  Scenario: One port for the API and MCP is rejected
    Given a model in the GGUF format
    And an MCP configuration with the same port for the API and MCP
    When the operator starts the server
    Then the program exits with code 1 within 10 seconds
    And the error names the problem
