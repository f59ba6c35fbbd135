@needs.ollama_api
Feature: State across requests
  Programs send many requests: they continue with the context of an answer, compare token counts and
  embeddings, and expect the same models in every list.

  Background:
    Given an Ollama API server with the scripted model

  @critical
  Scenario: Contexts, token counts, embeddings and model lists are consistent
    When the "state across requests" cases of the Ollama API are run
    Then every case conforms
