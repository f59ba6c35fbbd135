@needs.ollama_api
Feature: Model store: pull, copy, create and delete
  Programs pull, copy, create and delete models. An invalid name or a corrupt file is never
  accepted, and the error gives the reason.

  Background:
    Given an Ollama API server with the scripted model

  @normal
  Scenario: Copies, created models and uploaded blobs are usable
    When the "copies, created models and blobs" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Pull and push without a known model fail
    When the "failing pull and push" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Invalid copy and delete requests are rejected
    When the "invalid copy and delete requests" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Invalid create requests are rejected
    When the "invalid create requests" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Missing and invalid blobs are rejected
    When the "missing and invalid blobs" cases of the Ollama API are run
    Then every case conforms
