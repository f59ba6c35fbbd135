@needs.ollama_api
Feature: Embeddings with /api/embed
  Search engines compare texts by their embeddings: one for each text, in the order of the texts, of length 1.
  The superseded endpoint /api/embeddings returns them without normalization.

  Background:
    Given an Ollama API server with the embedding model

  @critical
  Scenario: POST /api/embed returns one embedding for each text
    When the "embeddings" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Empty input to /api/embed yields no embedding
    When the "empty embedding input" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Invalid requests to /api/embed are rejected
    When the "invalid embedding requests" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: The superseded endpoint /api/embeddings still works
    When the "superseded embeddings endpoint" cases of the Ollama API are run
    Then every case conforms
