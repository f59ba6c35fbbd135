Feature: The model list follows the OpenAI API
  Clients choose a model from /v1/models. The list, and the entry of a single model, must have the
  documented fields.

  Background:
    Given a server with any model

  @critical
  Scenario: Models are listed and retrieved as documented
    When the "model list and single models" cases of the OpenAI API are run
    Then every case conforms
