@needs.scripted_model @needs.metrics @needs.command @needs.prometheus @needs.grafana
Feature: Grafana shows the dashboard
  An operator has a Grafana and imports the dashboard of this project. Grafana itself has to accept the dashboard, to answer
  the query of every panel from the Prometheus that scrapes the server, and to list the alerts.

  Background:
    Given a server with the scripted model

  @critical
  Scenario: Grafana answers every panel of the dashboard
    When the "Grafana" cases of the monitoring API are run
    Then every case conforms
