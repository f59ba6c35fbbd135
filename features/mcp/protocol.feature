@needs.command @needs.scripted_model @needs.mcp_server
Feature: MCP messages are handled as the protocol specifies
  Agents are built with many libraries. All of them rely on the same replies, to valid messages and to
  invalid ones, and an invalid message must not affect the next agent.

  Background:
    Given an MCP server with the scripted model

  @critical
  Scenario Outline: The reply to <message> is <reply>
    When an agent sends "<message>"
    Then the reply is "<reply>"

    Examples: valid messages
      | message                                      | reply                     |
      | initialize with an old protocol version      | an initialize result      |
      | initialize with an unknown protocol version  | an initialize result      |
      | notifications/initialized                    | status 202 without a body |
      | ping                                         | an empty result           |
      | tools/list                                   | a list of tools           |
      | tools/call of the chat tool                  | a text result             |

  @normal
  Scenario Outline: After <message> the server still serves MCP
    When agents send "<message>" and "tools/list"
    Then the replies are "<reply>" and "a list of tools"

    Examples: invalid messages
      | message                                   | reply                                    |
      | an unknown method                         | error -32601 (method not found)          |
      | JSON-RPC version 1.0                      | error -32600 (invalid request)           |
      | tools/call of an unknown tool             | error -32602 (invalid params)            |
      | tools/call without messages               | a tool error or -32602 (invalid params)  |
      | tools/call with messages of a wrong type  | a tool error or -32602 (invalid params)  |
      | malformed JSON                            | status 400, 415 or 422                   |
      | a message without a method                | status 400, 415 or 422                   |

    Examples: invalid HTTP requests
      | message                               | reply                  |
      | a batch                               | status 400, 415 or 422 |
      | a POST request without a content type | status 400, 415 or 422 |
      | a GET request                         | status 405             |
      | an unknown MCP-Protocol-Version header | status 400, 415 or 422 |
      | a foreign Origin header               | status 403             |
