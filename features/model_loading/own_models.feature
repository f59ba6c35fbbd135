@needs.command
Feature: Trained models load and make sense
  The models of the daily work are trained ones: the operator's own, and a small public one that
  answers sensibly enough to notice a broken tokenizer or template.

  @blocker @needs.own_model
  Scenario: The operator's own model loads and answers
    Given the model that the operator has chosen
    When the operator starts the server with it
    Then the server is ready within 60 seconds
    And its log tells that the model is loaded
    And a good request is served

  @normal @slow @needs.smollm2
  Scenario: A small trained model knows the capital of France
    Given the small trained model SmolLM2
    And the system message "You are a helpful assistant."
    When the operator starts the server with it
    Then the server is ready within 30 seconds
    And it answers "What is the capital of France?" with a text that mentions "Paris"
