@serial @benchmark @needs.command @budget.150s
Feature: Throughput grows with the number of users
  A server that answers several users at once generates more tokens per second than for one alone, or at least
  as many. The loads alternate, so that a busy machine slows all of them down alike.

  Background:
    Given a dedicated server without a prefix cache

  @normal
  Scenario: Several users together get no fewer tokens than one
    When a load is sent to mistral.rs with
      | users | requests | prompt words | output tokens |
      | 1     | 12       | 16           | 48            |
      | 8     | 48       | 16           | 48            |
    Then the load meets the service level "several users"

  @normal @slow
  Scenario: Throughput of 32 users is that of 8
    When a load is sent to mistral.rs with
      | users | requests | prompt words | output tokens |
      | 1     | 12       | 16           | 32            |
      | 4     | 32       | 16           | 32            |
      | 8     | 64       | 16           | 32            |
      | 16    | 96       | 16           | 32            |
      | 32    | 128      | 16           | 32            |
    Then the load meets the service level "many users"
