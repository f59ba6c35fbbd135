@needs.scripted_model @needs.command
Feature: Memory stays bounded
  A server runs for weeks, and sometimes nobody scrapes its metrics. What it keeps for each token or for each prompt
  adds up until the machine has no memory left.

  Background:
    Given a server with the scripted model

  @blocker
  Scenario: Memory does not grow with each different prompt
    When the "memory with different prompts" cases of the exporter API are run
    Then every case conforms

  @normal @slow @serial @budget.1200s
  Scenario: Memory does not grow while nobody scrapes
    When the "memory under a long load" cases of the exporter API are run
    Then every case conforms
