@needs.scripted_model @needs.responses
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
  Scenario Outline: The official OpenAI client can <task>
    When the official Responses client runs the task "<task>"
    Then the client returns the expected value

    Examples: responses
      | task                                  |
      | get a response                        |
      | read a streamed response              |
      | assemble a streamed response          |
      | continue from a response              |
      | retrieve and delete a response        |
      | wait for a background response        |
      | read the tool call of a response      |
      | report an unknown response            |
