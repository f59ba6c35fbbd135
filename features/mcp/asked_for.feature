@needs.command @needs.speaking
Feature: What is asked for about MCP is done
  An operator who gives the options for MCP relies on them. A program that takes an option and does
  nothing leaves agents in front of a closed door, and nobody is told.

  @blocker @smoke
  Scenario: A server that is asked to offer MCP offers it
    Given a server that offers MCP
    When an agent sends "a greeting"
    Then the reply is "a greeting"

  @critical
  Scenario: A server that is told of tool servers asks them for their tools
    Given a server that was told of "two tool servers"
    When a user asks "How are you?"
    Then the user is told "No tool is needed for that, so here is a plain answer."
    And the tool server "desk" was greeted and asked for its tools
    And the tool server "kiosk" was greeted and asked for its tools
