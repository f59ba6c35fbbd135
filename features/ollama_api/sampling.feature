@needs.ollama_api
Feature: Ollama's sampling options change the distribution as documented
  Seed, temperature, penalties and candidate filters must have their documented effect. The
  known-distribution model shows it, because its next-token probabilities are known.

  Background:
    Given an Ollama API server with the known-distribution model

  @normal
  Scenario: Ollama's seed makes sampling reproducible
    When the "seeds" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Ollama samples at random without a seed
    When the "random sampling without a seed" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Ollama's temperature changes the token probabilities
    When the "temperature" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Ollama's top_k, top_p and min_p drop unlikely tokens
    When the "top_k, top_p and min_p" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Ollama's penalties and logprobs match the known probabilities
    When the "penalties and sampled logprobs" cases of the Ollama API are run
    Then every case conforms

  @normal
  Scenario: Ollama options out of range do no harm
    When the "options out of range" cases of the Ollama API are run
    Then every case conforms
