@needs.ollama_api
Feature: keep_alive controls how long a model stays loaded
  A machine has memory for few models. Clients load a model, keep it for some minutes and unload it,
  and see the loaded models in /api/ps.

  Background:
    Given an Ollama API server with the scripted model

  @critical
  Scenario: Models are loaded, kept and unloaded as requested
    When the "model lifecycle" cases of the Ollama API are run
    Then every case conforms
