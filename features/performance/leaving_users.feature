@serial @benchmark @needs.command @budget.200s
Feature: Users who leave do not slow the others
  People close a chat in the middle of an answer. The server ends that generation, and the answers of those who stay
  are as fast as without it.

  @normal @slow
  Scenario: One in ten users leaves at the first token
    Given a dedicated server without a prefix cache
    When a load is sent to mistral.rs with
      | rounds | load       | users | cancelled | requests | prompt words | output tokens |
      | 10     | all stay   | 8     | 0 %       | 130      | 16           | 32            |
      | 10     | some leave | 8     | 10 %      | 145      | 16           | 32            |
    Then the load meets the service level "leaving users"
    And the server cancels that generation within 1 second
