Feature: A server with an API key rejects requests without it
  An operator protects a server with an API key (TARGET_API_KEY). A request without that key must not reach
  the model. A server without keys ignores the header, because many clients always send one.

  Background:
    Given a server with any model

  @blocker
  Scenario: Requests to the OpenAI API need the right key
    When the "API keys" cases of the OpenAI API are run
    Then every case conforms

  @blocker @needs.responses
  Scenario: Requests to the Responses API need the right key
    When the "API keys" cases of the Responses API are run
    Then every case conforms

  @blocker @needs.messages
  Scenario: Requests to the Anthropic API need the right key
    When the "API keys" cases of the Anthropic API are run
    Then every case conforms
