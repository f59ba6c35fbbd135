@needs.ollama_api
Feature: Ollama streams are NDJSON lines of the whole answer
  Programs show an answer while it is generated: each line is one JSON object, the last one is marked as done,
  and together they equal the non-streamed answer.

  Background:
    Given an Ollama API server with the scripted model

  @critical
  Scenario: Ollama streams equal the non-streamed answer
    When the "streamed answers" cases of the Ollama API are run
    Then every case conforms

  @critical
  Scenario: Errors before an Ollama stream have an error status
    When the "errors before the stream" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Raw streams of Ollama have no context
    When the "raw streams" cases of the Ollama API are run
    Then every case conforms
