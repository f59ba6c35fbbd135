@needs.ollama_api
Feature: Tool calls with /api/chat
  Agents offer tools and run the calls that the model returns. They need the arguments as an object,
  the calls in order, and an error from a model without tool support.

  Background:
    Given an Ollama API server with the scripted model

  @critical
  Scenario: POST /api/chat returns the scripted tool calls
    When the "tool calls" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Invalid tools in /api/chat are rejected
    When the "invalid tool requests" cases of the Ollama API are run
    Then every case conforms
