@needs.command
Feature: Trained models load and give sensible answers
  The models of the daily work are trained ones: the operator's own, and a small public one whose
  answers are sensible enough to reveal a broken tokenizer or chat template.

  @blocker @serial @needs.own_model
  Scenario: The operator's own model loads and answers
    Given the trained model at TEST_MODEL_PATH
    When the operator starts the server and asks "Tell me about the comet" with
      | option     | value |
      | max_tokens | 16    |
    Then the server is ready within 60 seconds
    And the server log reports the loaded model
    And the answer is complete

  @normal @slow @needs.smollm2
  Scenario: SmolLM2 knows the capital of France
    Given the trained model SmolLM2
    And the system message "You are a helpful assistant."
    When the operator starts the server and asks "What is the capital of France?" with
      | option     | value |
      | max_tokens | 16    |
    Then the server is ready within 30 seconds
    And the answer contains "Paris"
