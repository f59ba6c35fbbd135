@needs.scripted_model
Feature: mistral.rs-specific routes work
  Beside the OpenAI API the server has routes of its own: system information, its API description, model
  status, unloading and reloading. Where a version has them, they must work.

  Background:
    Given a server with the scripted model

  @normal @needs.own_routes
  Scenario: System information, API description and model status are correct
    When the "system information and model status" cases of the OpenAI API are run
    Then every case conforms

  @critical @needs.own_routes @needs.command
  Scenario: An unloaded model is reloaded on the next request
    When the "model unloading" cases of the OpenAI API are run
    Then every case conforms

  @minor @needs.request_ids
  Scenario: Request ids are returned with every answer
    When the "request ids" cases of the OpenAI API are run
    Then every case conforms
