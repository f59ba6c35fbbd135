@serial @benchmark @budget.150s
Feature: Streams are smooth, and answers are generated anew
  A user who reads along notices when a stream stands still and then catches up. And an answer that comes from a
  cache makes a server look faster than it is with users of its own.

  @normal @needs.command
  Scenario: No event of a stream is much later than others
    Given a dedicated server with a random model of 5 million weights
    When a load is sent to mistral.rs with
      | users | requests | prompt words | output tokens |
      | 1     | 66       | 16           | 24            |
    Then the load meets the service level "smooth streams"

  @normal @needs.command
  Scenario: Events of a stream are sent without delay
    Given a dedicated server
    When a load is sent to mistral.rs with
      | users | requests | prompt words | output tokens |
      | 1     | 64       | 16           | 32            |
    Then the load meets the service level "separate events"

  @normal @slow @needs.command @budget.200s
  Scenario: The same prompt is not answered from a cache
    Given a dedicated server with a random model of 5 million weights
    When a load is sent to mistral.rs with
      | rounds | prompts   | users | requests | prompt words | output tokens |
      | 12     | different | 1     | 20       | 16           | 32            |
      | 12     | the same  | 1     | 20       | 16           | 32            |
    Then the load meets the service level "cached answers"
