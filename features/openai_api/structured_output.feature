@needs.scripted_model
Feature: Structured output obeys the schema or grammar
  Programs that parse answers need output that matches their JSON schema, regular expression or grammar,
  always, and an error when the format itself is invalid.

  Background:
    Given a server with the scripted model

  @critical
  Scenario: Answers match their JSON schema
    When the "structured output with JSON schemas" cases of the OpenAI API are run
    Then every case conforms

  @critical
  Scenario: Answers match their regular expression or grammar
    When the "structured output with grammars" cases of the OpenAI API are run
    Then every case conforms

  @critical
  Scenario: Invalid formats and grammars are rejected
    When the "invalid structured output formats" cases of the OpenAI API are run
    Then every case conforms
