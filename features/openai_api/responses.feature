@needs.scripted_model @needs.responses
Feature: The Responses API behaves as OpenAI documents it
  Clients of OpenAI's Responses API rely on the fields of a response, on the order of the events in a stream, and
  on errors that name their cause.

  Background:
    Given a server with the scripted model

  @normal
  Scenario: Responses have the documented content and status
    When the "non-streamed responses" cases of the Responses API are run
    Then every case conforms

  @normal
  Scenario: Responses match OpenAI's schema and contain function calls
    When the "schema and tool calls" cases of the Responses API are run
    Then every case conforms

  @normal
  Scenario: Streamed responses are complete and end once
    When the "streamed responses" cases of the Responses API are run
    Then every case conforms

  @normal
  Scenario: Stream events match OpenAI's schema and order
    When the "stream events" cases of the Responses API are run
    Then every case conforms

  @normal
  Scenario: Streamed function calls equal the non-streamed ones
    When the "streamed function calls" cases of the Responses API are run
    Then every case conforms

  @normal
  Scenario: Invalid requests to the Responses API are rejected
    When the "invalid requests" cases of the Responses API are run
    Then every case conforms

  @normal
  Scenario: Unknown response ids are rejected
    When the "unknown responses" cases of the Responses API are run
    Then every case conforms
