@needs.scripted_model @needs.command
Feature: Sampling parameters change the distribution as documented
  Sampling must be predictable: seed, temperature, penalties and logit biases must have their documented
  effect. The known-distribution model shows it, because its next-token probabilities are known.

  Background:
    Given a server with the known-distribution model

  @normal
  Scenario: Seeds make sampling reproducible
    When the "seeds" cases of the OpenAI API are run
    Then every case conforms

  @normal
  Scenario: Sampling is random without a seed
    When the "random sampling without a seed" cases of the OpenAI API are run
    Then every case conforms

  @normal
  Scenario: Temperature changes the token probabilities
    When the "temperature" cases of the OpenAI API are run
    Then every case conforms

  @normal
  Scenario: The filters top_k, top_p and min_p drop unlikely tokens
    When the "top_k, top_p and min_p" cases of the OpenAI API are run
    Then every case conforms

  @normal
  Scenario: Penalties and logit biases change the probabilities
    When the "penalties and logit biases" cases of the OpenAI API are run
    Then every case conforms

  @normal
  Scenario: Logprobs are the natural logarithms of the probabilities
    When the "logprobs of known probabilities" cases of the OpenAI API are run
    Then every case conforms

  @normal
  Scenario: Out-of-range sampling parameters are rejected or harmless
    When the "out-of-range sampling parameters" cases of the OpenAI API are run
    Then every case conforms
