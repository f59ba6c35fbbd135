@serial @benchmark @needs.command @budget.150s
Feature: Memory, energy and the time of a start are bounded
  An operator plans how many users a machine can serve, what that costs, and how long a restart takes. Memory that
  a request has taken is given back, so that the plan still holds next week.

  @normal
  Scenario: Each request takes little memory and gives it back
    Given a dedicated server without a prefix cache
    When a load is sent to mistral.rs with
      | users | requests | prompt words | output tokens |
      | 4     | 8        | 16           | 8             |
      | 16    | 16       | 16           | 8             |
    Then the load meets the service level "memory"

  @minor @slow
  Scenario: Each token costs little energy
    Given a dedicated server without a prefix cache
    When a load is sent to mistral.rs with
      | users | requests | prompt words | output tokens |
      | 1     | 8        | 16           | 32            |
      | 8     | 16       | 16           | 32            |
    Then the load meets the service level "energy"

  @normal
  Scenario: A server is ready soon after its start
    Given mistral.rs with the scripted model
    When a load is sent to mistral.rs with
      | starts | model    | users | requests | prompt words | output tokens |
      | 4      | scripted | 1     | 3        | 16           | 16            |
    Then the load meets the service level "start"

  @normal @slow @needs.smollm2 @budget.200s
  Scenario: A server with SmolLM2 is ready soon after its start
    Given mistral.rs with the scripted model
    When a load is sent to mistral.rs with
      | starts | model   | users | requests | prompt words | output tokens |
      | 8      | SmolLM2 | 1     | 1        | 16           | 4             |
    Then the load meets the service level "start"
