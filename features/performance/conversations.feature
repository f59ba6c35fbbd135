@serial @benchmark @needs.scripted_model
Feature: Conversations of several turns
  Most users ask again: each request has all that was said before. The wait for the first word of a later answer may
  grow with the length of the conversation, but no faster; with a prefix cache it hardly grows.

  @normal
  Scenario: Later turns wait no longer for each token
    Given mistral.rs with the scripted model
    When a load is sent to mistral.rs with
      | load             | users | turns | requests | prompt words | output tokens |
      | single questions | 1     | 1     | 8        | 64           | 12            |
      | conversations    | 1     | 4     | 12       | 64           | 12            |
    Then the load meets the service level "conversations"

  @normal @slow
  Scenario Outline: Later turns wait no longer with <server>
    Given <server> with the scripted model
    When a load is sent to <server> with
      | load             | users | turns | requests | prompt words | output tokens |
      | single questions | 1     | 1     | 8        | 64           | 12            |
      | conversations    | 1     | 4     | 12       | 64           | 12            |
    Then the load meets the service level "conversations"

    @needs.ollama_api
    Examples: the gateway
      | server      |
      | the gateway |

    @needs.ollama
    Examples: a real Ollama
      | server        |
      | a real Ollama |
