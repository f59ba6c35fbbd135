@needs.ollama_api
Feature: Requests of common Ollama clients are accepted
  Ollama's own clients, LangChain, LiteLLM, Continue, Open WebUI and n8n send empty texts, nulls, headers and sizes
  that a request written by hand never has. Their users need every one of them to be accepted.

  Background:
    Given an Ollama API server with the scripted model

  @critical
  Scenario: Requests of Ollama clients are accepted
    When the "requests of common clients" cases of the Ollama API are run
    Then every case conforms

  @critical
  Scenario: Ollama's OpenAI endpoints accept requests of OpenAI clients
    When the "v1 requests of common clients" cases of the Ollama API are run
    Then every case conforms

  @critical
  Scenario: Ollama requests of up to 20 MiB are accepted
    When the "large request bodies" cases of the Ollama API are run
    Then every case conforms
