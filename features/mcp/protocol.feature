@needs.command @needs.speaking @needs.mcp_server
Feature: Messages of agents are answered as the protocol has it
  Agents are written by many hands and with many libraries. All of them rely on the same replies, to
  good messages as to wrong ones, and a wrong one must not spoil the server for the next agent.

  @critical
  Scenario Outline: An agent that sends <message> gets <reply>
    Given a server that offers MCP
    When an agent sends "<message>"
    Then the reply is "<reply>"

    Examples: good messages
      | message                                      | reply            |
      | a greeting in an old version of the protocol | a greeting       |
      | a greeting in a version that never was       | a greeting       |
      | a notification                               | an acknowledgement |
      | a sign of life                               | an empty result  |
      | a question for the tools                     | a list of tools  |
      | a call of the chat tool                      | a text           |

  @normal
  Scenario Outline: An agent that sends <message> is told of <reply>
    Given a server that offers MCP
    When an agent sends "<message>"
    Then the reply is "<reply>"
    And the next agent is served

    Examples: wrong messages
      | message                             | reply              |
      | a method that nobody knows          | an unknown method  |
      | another version of JSON-RPC         | an invalid request |
      | a call of an unknown tool           | invalid parameters |
      | a call without messages             | a wrong call       |
      | a call with messages of a wrong type | a wrong call      |
      | malformed JSON                      | a bad request      |
      | a message without a method          | a bad request      |

    Examples: wrong ways to send
      | message                                        | reply                        |
      | a batch                                        | a bad request                |
      | no content type                                | a bad request                |
      | a view of the page                            | a method that is not allowed |
      | a message in an unknown version of the protocol | a bad request               |
      | a call from a foreign web page                 | a forbidden request          |
