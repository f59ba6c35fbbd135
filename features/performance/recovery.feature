@serial @benchmark @needs.command @budget.150s
Feature: A server recovers from an overload
  More users than a server has places for may wait, or be rejected. When they have gone, it is as fast as before:
  nothing of them is left in its queues.

  @normal @slow
  Scenario: After an overload answers are as fast as before
    Given a dedicated server with a batch size of 1
    When a load is sent to mistral.rs with
      | load     | users | requests | prompt words | output tokens |
      | before   | 1     | 8        | 16           | 32            |
      | overload | 8     | 8        | 16           | 16            |
      | after    | 1     | 8        | 16           | 32            |
    Then the load meets the service level "recovery"
