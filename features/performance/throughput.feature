@serial @benchmark @needs.command
Feature: Throughput grows with the number of users
  A server that answers several users at once generates more tokens per second than for one alone, or at least
  as many. The loads alternate, so that a busy machine slows all of them down alike.

  @normal
  Scenario: Several users together get no fewer tokens than one
    Given a dedicated server without a prefix cache
    When a load is sent to mistral.rs with
      | users | requests | prompt words | output tokens |
      | 1     | 12       | 16           | 48            |
      | 8     | 64       | 16           | 48            |
    Then 8 users get at least 1 times the tokens per second of 1 user
