@needs.scripted_model
Feature: Logprobs follow the OpenAI API
  Evaluation tools read how probable each token was, and which alternatives there were. The values must
  belong to the tokens of the answer, streamed and non-streamed.

  Background:
    Given a server with the scripted model

  @normal
  Scenario: Each token of an answer has its logprob
    When the "logprobs of the answer" cases of the OpenAI API are run
    Then every case conforms

  @normal
  Scenario: Alternatives of a token are complete and limited
    When the "logprobs of the alternatives" cases of the OpenAI API are run
    Then every case conforms
