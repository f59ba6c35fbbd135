@needs.scripted_model
Feature: Streamed chat completions follow the OpenAI API
  Programs show an answer while it is generated. The chunks of a stream must be well-formed, lose no
  character, and carry the same content and token counts as a non-streamed answer.

  Background:
    Given a server with the scripted model

  @critical
  Scenario: Streams are well-formed and equal non-streamed answers
    When the "stream content" cases of the OpenAI API are run
    Then every case conforms

  @critical
  Scenario: Stream chunks have consistent metadata and usage
    When the "stream chunk metadata" cases of the OpenAI API are run
    Then every case conforms

  @critical
  Scenario: Streamed choices, long answers and stop sequences are correct
    When the "streamed choices and stop sequences" cases of the OpenAI API are run
    Then every case conforms
