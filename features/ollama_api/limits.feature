@needs.ollama_api
Feature: num_predict and stop end an answer
  Programs limit the number of tokens, set stop sequences, and rely on the exact end of the answer.
  Options of the wrong type are rejected.

  Background:
    Given an Ollama API server with the scripted model

  @critical
  Scenario: The option num_predict limits the answer
    When the "token limits" cases of the Ollama API are run
    Then every case conforms

  @critical
  Scenario: Ollama's stop sequences end the answer
    When the "stop sequences" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Ollama options of the wrong type are rejected
    When the "options of the wrong type" cases of the Ollama API are run
    Then every case conforms
