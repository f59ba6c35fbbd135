@needs.command @needs.speaking @needs.mcp_client
Feature: The model uses the tools of other servers
  An operator names tool servers, and the model calls their tools by itself while it answers. The user
  sees only the answer, and gets one whatever happens to a tool.

  @blocker
  Scenario Outline: The result of a tool <where> is used in the answer
    Given a server that was told of "<kit>"
    When a user asks "Do I need my <thing>?"
    Then the user is told "Leave it at home, the sky will be blue."
    And the tool "<tool>" was called once for "<city>"

    Examples: kinds of tool servers
      | where                        | kit                                | thing       | tool           | city   |
      | on a server                  | two tool servers                   | umbrella    | desk.forecast  | Oslo   |
      | on a second server           | two tool servers                   | parasol     | kiosk.forecast | Rome   |
      | on a server with sessions    | a tool server that keeps sessions  | wellingtons | club.forecast  | Cork   |
      | in a process of its own      | a tool server of its own process   | raincoat    | shed.forecast  | Bergen |

  @critical
  Scenario: A stream brings the answer after the tool, not the call
    Given a server that was told of "two tool servers"
    When a user asks "Do I need my umbrella?"
    And another user asks the same as a stream
    Then all answers are the same
    And the user is told "Leave it at home, the sky will be blue."

  @critical
  Scenario: A tool that fails does not fail the answer
    Given a server that was told of "two tool servers"
    When a user asks "How was it yesterday?"
    Then the user is told "I could not look that up, please try later."
    And the tool "desk.archive" was called once for "Lima"

  @critical
  Scenario: A tool that hangs is given up
    Given a server that was told of "two tool servers"
    When a user asks "Will it be fine someday?"
    Then the user is told "I could not look that up, please try later."
    And the answer came within 5 seconds

  @critical
  Scenario: A tool server that leaves is noticed when it is needed
    Given a server that was told of "two tool servers"
    And the tool server "kiosk" has gone
    When a user asks "Do I need my parasol?"
    Then the user is told "I could not look that up, please try later."
    And the answer came within 5 seconds

  @normal
  Scenario: The tools of a server stay when another one leaves
    Given a server that was told of "two tool servers"
    And the tool server "kiosk" has gone
    When a user asks "Do I need my umbrella?"
    Then the user is told "Leave it at home, the sky will be blue."
    And the tool "desk.forecast" was called once for "Oslo"

  @critical
  Scenario: The model answers though a tool server is missing at the start
    Given a server that was told of "a tool server, and one that is not there"
    When a user asks "How are you?"
    Then the user is told "No tool is needed for that, so here is a plain answer."
    And the log tells that a tool server is missing

  @normal
  Scenario: A missing tool server does not take the tools of others along
    Given a server that was told of "a tool server, and one that is not there"
    When a user asks "Do I need my umbrella?"
    Then the user is told "Leave it at home, the sky will be blue."
    And the tool "desk.forecast" was called once for "Oslo"

  @normal
  Scenario Outline: Tool servers set up with <what> are refused
    Given a model in the GGUF format
    And MCP set up with "<what>"
    When the operator starts the server with it
    Then the start is refused within 10 seconds
    And the error names the problem

    Examples: wrong lists
      | what                                  |
      | a list that is missing                |
      | a list that is no JSON                |
      | a list without servers                |
      | a list with an unknown kind of server |
