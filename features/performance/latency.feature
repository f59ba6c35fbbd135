@serial @benchmark @needs.scripted_model
Feature: Latency of the first token and of each token
  A user waits for the first word, and then reads along. The limits are those of a service level in the hardware
  profile of the run; a percentile is judged by its confidence bounds, never by a single slow answer.

  Background:
    Given mistral.rs with the scripted model

  @critical
  Scenario: Short prompts are answered at once
    When a load is sent to mistral.rs with
      | users | requests | prompt words | output tokens |
      | 1     | 130      | 16           | 32            |
    Then the load meets the service level "short prompts"

  @normal
  Scenario: Long prompts are answered in time
    When a load is sent to mistral.rs with
      | users | requests | prompt words | output tokens |
      | 1     | 64       | 256          | 16            |
    Then the load meets the service level "long prompts"
