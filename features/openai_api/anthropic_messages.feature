@needs.scripted_model @needs.messages
Feature: The Messages API behaves as Anthropic documents it
  Programs written for Anthropic's API are pointed at the server. They rely on the content blocks of a message, its
  stop reason, its token counts and its tool calls.

  Background:
    Given a server with the scripted model

  @normal
  Scenario: Messages have the documented content
    When the "non-streamed messages" cases of the Anthropic API are run
    Then every case conforms

  @normal
  Scenario: Messages report stop reason and token counts
    When the "stop reasons and token counts" cases of the Anthropic API are run
    Then every case conforms

  @normal
  Scenario: Messages contain tool calls and use tool results
    When the "tool use" cases of the Anthropic API are run
    Then every case conforms

  @normal
  Scenario: Token counts match the usage, message ids are unique
    When the "token counts and message ids" cases of the Anthropic API are run
    Then every case conforms
