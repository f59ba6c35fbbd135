@needs.ollama_api
Feature: Completions with /api/generate
  Editors and scripts send a prompt with options and read one answer. Which fields are optional, and
  what each option does, is defined by Ollama's own documentation.

  Background:
    Given an Ollama API server with the scripted model

  @critical
  Scenario: POST /api/generate obeys the prompt and keep_alive
    When the "loading and keep_alive" cases of the Ollama API are run
    Then every case conforms

  @critical
  Scenario: System message, template, raw mode and context take effect
    When the "system message, template, raw mode, context" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Invalid keep_alive values are rejected
    When the "invalid keep_alive values" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Model tags, unknown fields and content types are handled
    When the "model names, fields and content types" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Prompts longer than the context are truncated or rejected
    When the "prompts longer than the context" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Fill-in-the-middle works only with a model for it
    When the "fill-in-the-middle" cases of the Ollama API are run
    Then every case conforms
