@needs.ollama_api
Feature: Server status, version and model details
  Clients detect an Ollama server by its root, its version and its lists of models before they send requests.
  These responses have to match Ollama's, or clients do not recognise the server.

  Background:
    Given an Ollama API server with the scripted model

  @critical
  Scenario: The Ollama server returns its status and version
    When the "server liveness and version" cases of the Ollama API are run
    Then every case conforms

  @critical
  Scenario: The Ollama server lists and describes its models
    When the "model lists and details" cases of the Ollama API are run
    Then every case conforms

  @critical
  Scenario: Model details are those of the model file
    When the "details of the model file" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: POST /api/show returns the capabilities of a model
    When the "model capabilities" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Unknown Ollama models and routes are not found
    When the "unknown models and routes" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Unsupported methods on Ollama routes are answered 405
    When the "unsupported methods" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Cross-origin requests are allowed from localhost only
    When the "cross-origin requests" cases of the Ollama API are run
    Then every case conforms
