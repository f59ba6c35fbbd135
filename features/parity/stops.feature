@needs.scripted_model @needs.scripted_gateway @needs.scripted_ollama @needs.ollama @needs.ollama_api
Feature: A stop sequence ends an answer at the same place everywhere
  Programs end an answer early by a stop sequence, and use the text before it as the result.
  Over every endpoint it is the same text, streamed and non-streamed.

  Background:
    Given mistral.rs, the gateway and a real Ollama with the scripted model

  @normal
  Scenario Outline: Every endpoint stops "<topic>" before "<stop>"
    When a user asks every endpoint "Tell me about the <topic>" with
      | option | value  |
      | stop   | <stop> |
    Then all answers are equal
    And every answer finishes with "stop"

    Examples: whole words
      | topic   | stop  |
      | numbers | seven |
      | poem    | gulls |

  @normal
  Scenario: Every stream stops where the non-streamed answer stops
    When a user asks every endpoint "Tell me about the numbers" with
      | option | value    |
      | stop   | ee, fou  |
    Then all answers are equal
    And every streamed answer equals the non-streamed one
