@needs.speaking @needs.responses
Feature: Responses are stored, continued and run in the background
  A client continues a conversation from an earlier response, runs a long one in the background and retrieves it
  later. Deleted responses are no longer available.

  Background:
    Given a server with the scripted model

  @normal
  Scenario: Stored responses can be retrieved and deleted
    When the "stored responses" cases of the Responses API are run
    Then every case conforms

  @normal
  Scenario: Conversations continue from an earlier response
    When the "conversations" cases of the Responses API are run
    Then every case conforms

  @normal
  Scenario: Background responses complete, fail or are cancelled
    When the "background responses" cases of the Responses API are run
    Then every case conforms

  @critical
  Scenario Outline: OpenAI's own client can <journey>
    When the official Responses client wants to "<journey>"
    Then the client gets it in the form that it reads

    Examples: responses
      | journey                               |
      | get a response                        |
      | read a streamed response              |
      | put a streamed response together      |
      | go on from a response                 |
      | read a response again and delete it   |
      | wait for a response in the background |
      | read the tool call of a response      |
      | tell that a response is unknown       |
