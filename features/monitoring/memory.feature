@slow @needs.scripted_model @needs.command @serial @budget.1200s
Feature: Memory stays bounded under a long load
  A server runs for weeks, and sometimes nobody scrapes its metrics. What it keeps for each token adds up until the machine
  has no memory left.

  Background:
    Given a server with the scripted model

  @normal
  Scenario: Memory does not grow while nobody scrapes
    When the "memory under a long load" cases of the exporter API are run
    Then every case conforms
