@serial @benchmark @needs.command @budget.150s
Feature: Throughput grows with the number of users
  A server that answers several users at once generates more tokens per second than for one alone, or at least
  as many. The loads alternate, so that a busy machine slows all of them down alike.

  @normal
  Scenario: Several users together get no fewer tokens than one
    Given a dedicated server without a prefix cache
    When a load is sent to mistral.rs with
      | users | requests | prompt words | output tokens |
      | 1     | 12       | 16           | 32            |
      | 8     | 32       | 16           | 32            |
    Then the load meets the service level "several users"

  @normal @slow @budget.300s
  Scenario: Throughput of 32 users is that of 8
    Given a dedicated server without a prefix cache
    When a load is sent to mistral.rs with
      | rounds | users | requests | prompt words | output tokens |
      | 10     | 1     | 16       | 16           | 32            |
      | 10     | 4     | 48       | 16           | 32            |
      | 10     | 8     | 96       | 16           | 32            |
      | 10     | 16    | 128      | 16           | 32            |
      | 10     | 32    | 160      | 16           | 32            |
    Then the load meets the service level "many users"

  @normal @slow
  Scenario: Several users beside a prefix cache get no fewer tokens
    Given a dedicated server with a random model of 5 million weights
    When a load is sent to mistral.rs with
      | rounds | users | requests | prompt words | output tokens |
      | 5      | 1     | 12       | 16           | 32            |
      | 5      | 8     | 32       | 16           | 32            |
    Then the load meets the service level "several users"
