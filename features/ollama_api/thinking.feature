@needs.ollama_api
Feature: Thinking with the think field
  Programs show the thinking of a model apart from its answer, or switch it off. A model without
  thinking rejects the request for it.

  Background:
    Given an Ollama API server with the scripted model

  @critical
  Scenario: Ollama returns thinking separately from the answer
    When the "thinking" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Thinking is rejected by models without it
    When the "thinking on a model without thinking" cases of the Ollama API are run
    Then every case conforms
