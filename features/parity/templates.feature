@slow @needs.command @needs.ollama @needs.smollm2 @budget.300s
Feature: The chat template decides what a model is really asked
  A model file brings a template of its own. mistral.rs uses it to the letter; Ollama recognises its kind and
  takes one of its own. When the file's template adds a system message, both ask the model something else.

  @normal
  Scenario: SmolLM2 is told more by mistral.rs than by Ollama
    When SmolLM2 is asked "What is the capital of France?" on mistral.rs and on a real Ollama
    Then the prompt that mistral.rs has counted is longer than Ollama's

  @normal
  Scenario: With the system message sent along SmolLM2 is told the same by both
    Given the system message "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    When SmolLM2 is asked "What is the capital of France?" on mistral.rs and on a real Ollama
    Then the prompt that mistral.rs has counted is as long as Ollama's
