@needs.scripted_model
Feature: Text completions follow the OpenAI API
  Older programs and base models use /v1/completions. Its prompt has several forms, and its options
  are documented as precisely as those of chat completions.

  Background:
    Given a server with the scripted model

  @normal
  Scenario: Completions honour echo, n, best_of, stop and logprobs
    When the "completion responses" cases of the OpenAI API are run
    Then every case conforms

  @normal
  Scenario: Streams, prompt lists and token ids are supported
    When the "completion streams and prompts" cases of the OpenAI API are run
    Then every case conforms

  @normal
  Scenario: Invalid completion requests are rejected
    When the "invalid completion requests" cases of the OpenAI API are run
    Then every case conforms
