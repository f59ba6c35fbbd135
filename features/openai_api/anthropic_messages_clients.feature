@needs.speaking @needs.messages
Feature: Anthropic's official client works and invalid requests are rejected
  Programs use Anthropic's Python package. Its calls have to work unchanged, and an error has to have the form that
  the package parses.

  Background:
    Given a server with the scripted model

  @critical
  Scenario Outline: Anthropic's own client can <journey>
    When the official Anthropic client wants to "<journey>"
    Then the client gets it in the form that it reads

    Examples: answers
      | journey                           |
      | ask a question                    |
      | read a stream                     |
      | put a stream together             |
      | count the tokens beforehand       |
      | read a tool call                  |
      | put a streamed tool call together |
      | give back the result of a tool    |

    Examples: errors
      | journey                         |
      | tell that a model is unknown    |
      | tell why a question was refused |
      | tell why a stream was refused   |

  @normal
  Scenario: Unknown Anthropic models and invalid token limits are rejected
    When the "unknown models and invalid limits" cases of the Anthropic API are run
    Then every case conforms

  @normal
  Scenario: Malformed requests to the Messages API are rejected
    When the "malformed requests" cases of the Anthropic API are run
    Then every case conforms
