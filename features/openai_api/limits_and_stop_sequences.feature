@needs.scripted_model
Feature: Token limits and stop sequences follow the OpenAI API
  Programs bound the length of an answer and cut it at stop sequences. A limit that is not kept costs
  money, and a stop sequence that is missed breaks the program that reads the answer.

  Background:
    Given a server with the scripted model

  @normal
  Scenario: Token limits hold in every documented form
    When the "token limits" cases of the OpenAI API are run
    Then every case conforms

  @normal
  Scenario: Stop sequences end answers exactly where they occur
    When the "stop sequences" cases of the OpenAI API are run
    Then every case conforms

  @normal
  Scenario: Sampling parameters take effect on greedy answers
    When the "greedy sampling parameters" cases of the OpenAI API are run
    Then every case conforms
