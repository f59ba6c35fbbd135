@needs.scripted_model
Feature: Requests of common clients are accepted
  Official SDKs, LangChain, LiteLLM, Continue, Open WebUI and n8n send nulls, roles, headers and sizes that a request
  written by hand never has. Their users need every one of them to be accepted.

  Background:
    Given a server with the scripted model

  @critical
  Scenario: Requests of OpenAI clients are accepted
    When the "requests of common clients" cases of the OpenAI API are run
    Then every case conforms

  @critical
  Scenario: Web pages on another origin can use the server
    When the "browser requests" cases of the OpenAI API are run
    Then every case conforms

  @critical
  Scenario: Chat requests of up to 20 MiB are accepted
    When the "large request bodies" cases of the OpenAI API are run
    Then every case conforms

  @normal @needs.responses
  Scenario: Requests of Responses clients are accepted
    When the "requests of common clients" cases of the Responses API are run
    Then every case conforms

  @normal @needs.responses
  Scenario: Web pages on another origin can request responses
    When the "browser requests" cases of the Responses API are run
    Then every case conforms

  @normal @needs.responses
  Scenario: Response requests of up to 20 MiB are accepted
    When the "large request bodies" cases of the Responses API are run
    Then every case conforms

  @normal @needs.messages
  Scenario: Requests of Anthropic clients are accepted
    When the "requests of common clients" cases of the Anthropic API are run
    Then every case conforms

  @normal @needs.messages
  Scenario: Web pages on another origin can request messages
    When the "browser requests" cases of the Anthropic API are run
    Then every case conforms

  @normal @needs.messages
  Scenario: Message requests of up to 20 MiB are accepted
    When the "large request bodies" cases of the Anthropic API are run
    Then every case conforms
