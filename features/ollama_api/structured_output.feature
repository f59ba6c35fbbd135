@needs.ollama_api
Feature: Structured output with the format field
  Programs that parse answers need JSON, or JSON of a given schema. They set the field format and rely
  on valid output, or on an error when the format is invalid.

  Background:
    Given an Ollama API server with the scripted model

  @critical
  Scenario: Ollama's format field yields matching JSON
    When the "structured output" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Invalid values of format are rejected
    When the "invalid formats" cases of the Ollama API are run
    Then every case conforms
