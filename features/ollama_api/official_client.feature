@needs.ollama_api
Feature: Ollama's own Python client works with the server
  Most programs do not send HTTP requests themselves but use Ollama's own Python package. Its methods have
  to work unchanged and return the types that programs read.

  Background:
    Given an Ollama API server with the scripted model

  @critical
  Scenario: The official Ollama client works unchanged
    When the "official client" cases of the Ollama API are run
    Then every case conforms
