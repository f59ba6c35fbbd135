@needs.prometheus_url @needs.metrics
Feature: A Prometheus of the operator watches the server
  An operator has a Prometheus already. Before the server goes live, it has to scrape this server without a failure, to have
  the alerts, and to send them to somebody. It is only read.

  Background:
    Given a server with any model

  @critical
  Scenario: An existing Prometheus scrapes the server and has alerts
    When the "existing Prometheus" cases of the Prometheus API are run
    Then every case conforms
