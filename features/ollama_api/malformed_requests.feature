@needs.ollama_api
Feature: Malformed requests do not harm the server
  A client that sends a malformed request gets an error that explains it, and the next request of any
  other client is answered as usual.

  Background:
    Given an Ollama API server with the scripted model

  @critical
  Scenario: Ollama requests without a body or model are rejected
    When the "requests without a body or a model" cases of the Ollama API are run
    Then every case conforms

  @critical
  Scenario: Ollama bodies that are not JSON objects are rejected
    When the "malformed bodies" cases of the Ollama API are run
    Then every case conforms

  @critical
  Scenario: Nested and oversized Ollama bodies do no harm
    When the "oversized bodies" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Ollama fields of the wrong type are rejected
    When the "fields of the wrong type" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Invalid numbers and characters do no harm to Ollama
    When the "invalid numbers and characters" cases of the Ollama API are run
    Then every case conforms

  @critical @slow
  Scenario: A 100 000-character token does no harm to Ollama
    When the "overlong tokens" cases of the Ollama API are run
    Then every case conforms
