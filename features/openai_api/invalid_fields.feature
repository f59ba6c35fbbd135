Feature: Invalid fields are rejected and do no harm
  A client that sends a wrong type or an out-of-range value gets a 4xx error instead of a surprising
  answer, and the next request of any other client is answered as usual.

  Background:
    Given a server with any model

  @normal
  Scenario: Invalid messages are rejected
    When the "invalid messages" cases of the OpenAI API are run
    Then every case conforms

  @normal
  Scenario: Unknown models and invalid token limits are rejected
    When the "unknown models and invalid token limits" cases of the OpenAI API are run
    Then every case conforms

  @normal
  Scenario: Invalid values of n and sampling parameters are rejected
    When the "invalid choices and sampling parameters" cases of the OpenAI API are run
    Then every case conforms

  @normal
  Scenario: Invalid stop sequences, biases and overlong prompts are rejected
    When the "invalid stop sequences, biases and prompts" cases of the OpenAI API are run
    Then every case conforms
