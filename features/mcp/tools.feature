@needs.command @needs.scripted_model @needs.mcp_client
Feature: The model uses the tools of MCP servers
  An operator configures MCP tool servers, and the model calls their tools while it answers. The user
  sees only the answer, and gets one whatever happens to a tool.

  @critical
  Scenario Outline: The result of a tool <where> appears in the answer
    Given a server configured with the tool servers <servers>
    When a user asks "Do I need my <thing>?"
    Then the answer is "Leave it at home, the sky will be blue."
    And the tool "<tool>" was called once with "<city>"

    Examples: kinds of tool servers
      | where                            | servers               | thing       | tool                   | city   |
      | on an HTTP server                | "http_1" and "http_2" | umbrella    | http_1.forecast        | Oslo   |
      | on a second HTTP server          | "http_1" and "http_2" | parasol     | http_2.forecast        | Rome   |
      | on an HTTP server with sessions  | "http_sessions"       | wellingtons | http_sessions.forecast | Cork   |
      | in a process with standard input | "stdio"               | raincoat    | stdio.forecast         | Bergen |

  @critical
  Scenario: A stream contains the answer, not the tool call
    Given a server configured with the tool servers "http_1" and "http_2"
    When a user asks "Do I need my umbrella?", non-streamed and streamed
    Then all answers are equal
    And the answer is "Leave it at home, the sky will be blue."

  @critical
  Scenario: A failing tool does not fail the answer
    Given a server configured with the tool servers "http_1" and "http_2"
    When a user asks "How was it yesterday?"
    Then the answer is "I could not look that up, please try later."
    And the tool "http_1.archive" was called once with "Lima"

  @critical
  Scenario: A hanging tool times out
    Given a server configured with the tool servers "http_1" and "http_2"
    When a user asks "Will it be fine someday?"
    Then the answer is "I could not look that up, please try later."
    And every answer arrives within 5 seconds

  @critical
  Scenario: A stopped tool server is reported in the answer
    Given a server configured with the tool servers "http_1" and "http_2"
    And the tool server "http_2" is down
    When a user asks "Do I need my parasol?"
    Then the answer is "I could not look that up, please try later."
    And every answer arrives within 5 seconds

  @normal
  Scenario: Other tools stay available when a tool server stops
    Given a server configured with the tool servers "http_1" and "http_2"
    And the tool server "http_2" is down
    When a user asks "Do I need my umbrella?"
    Then the answer is "Leave it at home, the sky will be blue."
    And the tool "http_1.forecast" was called once with "Oslo"

  @critical
  Scenario: The server starts although a tool server is missing
    Given a server configured with the tool servers "http_1" and "missing"
    When a user asks "How are you?"
    Then the answer is "No tool is needed for that, so here is a plain answer."
    And the server log reports a missing tool server

  @normal
  Scenario: A missing tool server does not disable other tools
    Given a server configured with the tool servers "http_1" and "missing"
    When a user asks "Do I need my umbrella?"
    Then the answer is "Leave it at home, the sky will be blue."
    And the tool "http_1.forecast" was called once with "Oslo"

  @normal
  Scenario Outline: An MCP configuration with <fault> is rejected
    Given a model in the GGUF format
    And an MCP configuration with <fault>
    When the operator starts the server
    Then the program exits with code 1 within 10 seconds
    And the error names the problem

    Examples: invalid tool server files
      | fault                                           |
      | a missing tool server file                      |
      | a tool server file that is not valid JSON       |
      | a tool server file without servers              |
      | a tool server file with an unknown server type  |
