@serial @benchmark @needs.command @needs.subcommands @needs.bench @budget.200s
Feature: The benchmark command and a load agree
  An operator reads the speed of a model from "mistralrs bench". A user of a server with the same model, on the same
  machine, generates about as many tokens per second.

  @normal @slow
  Scenario: One user gets the speed of the benchmark command
    Given a dedicated server with a random model of 5 million weights
    When a load is sent to mistral.rs with
      | sent by         | users | requests | prompt words | output tokens |
      | users           | 1     | 12       | 16           | 48            |
      | mistralrs bench | 1     | 1        | 16           | 48            |
    Then the load meets the service level "benchmark command"
