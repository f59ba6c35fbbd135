@needs.scripted_model @needs.metrics @needs.command @needs.prometheus
Feature: Prometheus scrapes the server
  An operator adds the server to a Prometheus. It has to appear there as a target that is up, with the labels that
  alerts and dashboards select, and it has to be down when the server is.

  Background:
    Given a server with the scripted model

  @critical
  Scenario: Prometheus discovers the server with its labels
    When the "targets" cases of the monitoring API are run
    Then every case conforms

  @critical
  Scenario: A killed server is down until it is started again
    When the "restart" cases of the monitoring API are run
    Then every case conforms
