@slow @needs.command @needs.ollama @needs.smollm2 @budget.300s
Feature: The chat template determines the prompt of a model
  A model file contains a chat template. mistral.rs uses it unchanged; Ollama recognises its kind and
  uses its own. When the file's template adds a system message, the prompts differ.

  Background:
    Given mistral.rs and a real Ollama with the trained model SmolLM2

  @normal
  Scenario: mistral.rs sends SmolLM2 a longer prompt than Ollama
    When a user asks mistral.rs and a real Ollama "What is the capital of France?"
    Then the prompt of mistral.rs has more tokens than that of a real Ollama

  @normal
  Scenario: With an explicit system message both prompts are equally long
    Given the system message "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    When a user asks mistral.rs and a real Ollama "What is the capital of France?"
    Then the prompt of mistral.rs has as many tokens as that of a real Ollama
