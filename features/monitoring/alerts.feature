@needs.scripted_model @needs.metrics @needs.command @needs.prometheus
Feature: Alerts reach an operator in time
  An operator installs the alerts of `acceptance rules`. Each has to fire when its cause is there, to be delivered once and
  to be resolved afterwards, within the time that the intervals explain; without a cause none may fire.

  Background:
    Given a server with the scripted model

  @critical
  Scenario: Throughput agrees with the client, without any alert
    When the "load" cases of the monitoring API are run
    Then every case conforms

  @critical
  Scenario: Alerts are pending, firing, delivered and resolved
    When the "alerts" cases of the monitoring API are run
    Then every case conforms

  @normal
  Scenario: Silences and a server that is down mute alerts
    When the "muted alerts" cases of the monitoring API are run
    Then every case conforms
