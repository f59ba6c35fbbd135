@needs.scripted_model @needs.metrics @needs.command @needs.prometheus
Feature: The dashboard shows the server
  An operator imports the dashboard of this project into Grafana. Each panel has to show data of a server under load:
  a metric that was renamed, or a label that is missing, leaves a panel empty without any error.

  Background:
    Given a server with the scripted model

  @critical
  Scenario: Every panel of the dashboard has data
    When the "dashboard" cases of the monitoring API are run
    Then every case conforms
