@needs.scripted_model @needs.metrics @serial
Feature: Metrics that monitoring can rely on
  Prometheus reads the page /metrics every few seconds. Alerts and dashboards are as good as that page: it has to be in
  the format that Prometheus reads, and its figures have to be those that a client measures.

  Background:
    Given a server with the scripted model

  @critical
  Scenario: The metrics page follows Prometheus' text format
    When the "exposition format" cases of the metrics API are run
    Then every case conforms

  @normal
  Scenario: Documented metrics are there with bounded labels
    When the "names and labels" cases of the metrics API are run
    Then every case conforms

  @critical @needs.command
  Scenario: Counters count requests, and never fall
    When the "counters" cases of the metrics API are run
    Then every case conforms

  @critical @needs.command
  Scenario: Metrics agree with what a client measures
    When the "accuracy" cases of the metrics API are run
    Then every case conforms

  @normal @needs.command
  Scenario: Gauges show the load, and zero without load
    When the "gauges" cases of the metrics API are run
    Then every case conforms
