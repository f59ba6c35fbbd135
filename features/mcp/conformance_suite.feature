@slow @budget.300s @needs.command @needs.mcp_conformance
Feature: The conformance suite of MCP passes
  The authors of the Model Context Protocol publish a suite that tests servers and clients. Agents and tool servers
  are tested with it as well, so that each side can rely on the other.

  @normal @needs.mcp_server
  Scenario: The MCP server passes the conformance suite
    Given mistral.rs with any model
    When the MCP conformance suite runs the tests "server" on mistral.rs
    Then the suite returns "no failure"

  @normal @needs.mcp_client
  Scenario: The MCP client passes the conformance suite
    Given mistral.rs with any model
    When the MCP conformance suite runs the tests "client" on mistral.rs
    Then the suite returns "no failure"
