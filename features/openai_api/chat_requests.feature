@needs.scripted_model
Feature: Chat completions follow the OpenAI API
  Client libraries are written against OpenAI's API reference. They rely on the documented fields of each
  response, and on every documented form of a message.

  Background:
    Given a server with the scripted model

  @critical
  Scenario: Chat completions have the documented form
    When the "chat completion responses" cases of the OpenAI API are run
    Then every case conforms

  @critical
  Scenario: Unicode and long conversations are handled
    When the "chat message content" cases of the OpenAI API are run
    Then every case conforms

  @critical
  Scenario: Headers, ids, timestamps and token counts are correct
    When the "chat request headers and response metadata" cases of the OpenAI API are run
    Then every case conforms

  @critical
  Scenario: Several choices are independent and all counted
    When the "chat choices" cases of the OpenAI API are run
    Then every case conforms
