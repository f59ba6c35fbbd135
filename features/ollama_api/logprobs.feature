@needs.ollama_api
Feature: Logprobs of the Ollama API
  Evaluation tools request the logprobs of generated tokens and of their alternatives,
  streamed and non-streamed.

  Background:
    Given an Ollama API server with the scripted model

  @normal
  Scenario: Ollama's logprobs are returned when requested
    When the "logprobs" cases of the Ollama API are run
    Then every case conforms
