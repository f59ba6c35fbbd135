@needs.scripted_model @needs.command @needs.prometheus
Feature: A server without metrics can be monitored from outside
  mistral.rs before 0.9 has no page of metrics. An exporter for its process, and a proxy in front of it, give Prometheus the
  minimum: requests by status, their durations, memory, and whether the server runs. Nothing of the engine is in it.

  Background:
    Given a server with the scripted model

  @normal
  Scenario: Prometheus has the minimum of a server without metrics
    When the "server without metrics" cases of the exporter API are run
    Then every case conforms
