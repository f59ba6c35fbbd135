@needs.scripted_model @needs.messages
Feature: Anthropic's official client works and invalid requests are rejected
  Programs use Anthropic's Python package. Its calls have to work unchanged, and an error has to have the form that
  the package parses.

  Background:
    Given a server with the scripted model

  @critical
  Scenario Outline: The official Anthropic client can <task>
    When the official Anthropic client runs the task "<task>"
    Then the client returns the expected value

    Examples: answers
      | task                              |
      | ask a question                    |
      | read a stream                     |
      | assemble a stream                 |
      | count tokens in advance           |
      | read a tool call                  |
      | assemble a streamed tool call     |
      | send back a tool result           |

    Examples: errors
      | task                            |
      | report an unknown model         |
      | report why a request was rejected|
      | report why a stream was rejected|

  @normal
  Scenario: Unknown Anthropic models and invalid token limits are rejected
    When the "unknown models and invalid limits" cases of the Anthropic API are run
    Then every case conforms

  @normal
  Scenario: Malformed requests to the Messages API are rejected
    When the "malformed requests" cases of the Anthropic API are run
    Then every case conforms
