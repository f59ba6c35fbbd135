Feature: Errors have OpenAI's error object
  A developer who sends an invalid request needs to see what was wrong. OpenAI's clients read the message,
  type and code of the error object.

  Background:
    Given a server with any model

  @normal
  Scenario: Errors about fields contain the cause
    When the "error objects about fields" cases of the OpenAI API are run
    Then every case conforms

  @normal
  Scenario: Errors about requests are error objects with a message
    When the "error objects about requests" cases of the OpenAI API are run
    Then every case conforms
