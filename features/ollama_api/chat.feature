@needs.ollama_api
Feature: Chat with /api/chat
  A chat program sends the whole conversation and shows the answer. It relies on the exact text, and on a
  clear error when the request is invalid.

  Background:
    Given an Ollama API server with the scripted model

  @critical
  Scenario: POST /api/chat returns the exact answer
    When the "chat answers" cases of the Ollama API are run
    Then every case conforms

  @critical
  Scenario: Empty messages load or unload the model
    When the "loading and unloading by chat" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Invalid requests to /api/chat are rejected
    When the "invalid chat requests" cases of the Ollama API are run
    Then every case conforms
