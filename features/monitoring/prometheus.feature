@needs.scripted_model @needs.metrics @needs.command @needs.prometheus
Feature: Prometheus and Alertmanager watch the server
  An operator adds the server to a Prometheus and installs the alerts of `acceptance rules`. The server has to be a target that
  is up, and down when it is; each alert has to fire when its cause is there, to be delivered once and to be resolved
  afterwards, within the time that the intervals explain. Without a cause none may fire.

  Background:
    Given a server with the scripted model

  @critical
  Scenario: Prometheus discovers the server with its labels
    When the "targets" cases of the monitoring API are run
    Then every case conforms

  @normal
  Scenario: Prometheus has the resource use of the server
    When the "resource use" cases of the monitoring API are run
    Then every case conforms

  @critical
  Scenario: Throughput agrees with the client, without any alert
    When the "load" cases of the monitoring API are run
    Then every case conforms

  @normal @slow @serial @budget.600s
  Scenario: A long load without a cause raises no alert
    When the "soak" cases of the monitoring API are run
    Then every case conforms

  @critical
  Scenario: Alerts are pending, firing, delivered and resolved
    When the "alerts" cases of the monitoring API are run
    Then every case conforms

  @critical
  Scenario: A killed server is down until it is started again
    When the "restart" cases of the monitoring API are run
    Then every case conforms

  @normal
  Scenario: Silences and a server that is down mute alerts
    When the "muted alerts" cases of the monitoring API are run
    Then every case conforms

  @critical
  Scenario: Every panel of the dashboard has data
    When the "dashboard" cases of the monitoring API are run
    Then every case conforms

  @normal @slow @serial @needs.prometheus_3 @budget.300s
  Scenario: Prometheus 3 scrapes, evaluates and alerts like Prometheus 2
    When the "Prometheus 3" cases of the monitoring API are run
    Then every case conforms
