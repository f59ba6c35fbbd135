@needs.ollama_api
Feature: Ollama's OpenAI-compatible endpoints
  Ollama serves OpenAI-compatible endpoints beside its own. Clients that only support the OpenAI API
  need them complete, with OpenAI's streams and errors.

  Background:
    Given an Ollama API server with the scripted model

  @critical
  Scenario: Ollama's /v1/chat/completions returns the exact answer
    When the "v1 chat completions" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Ollama's /v1/chat/completions supports structured output and tools
    When the "v1 structured output and tool calls" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Ollama's /v1/chat/completions rejects invalid requests
    When the "invalid v1 chat completions" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Ollama's /v1/completions returns the exact completion
    When the "v1 completions" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Ollama's /v1/models lists and returns models
    When the "v1 models" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Ollama's /v1/embeddings returns embeddings or an error
    When the "v1 embeddings" cases of the Ollama API are run
    Then every case conforms
