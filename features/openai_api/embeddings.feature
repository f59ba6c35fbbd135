Feature: Embeddings follow the OpenAI API
  Search engines store embeddings and compare them for years. Length, order, encoding and token counts
  must be as documented, and inputs that cannot be embedded must be rejected.

  Background:
    Given a server with the embedding model

  @normal @needs.embeddings
  Scenario: Texts are embedded in order and reproducible
    When the "embeddings of texts" cases of the OpenAI API are run
    Then every case conforms

  @normal @needs.embeddings
  Scenario: Token ids are embedded and all tokens counted
    When the "embedding token ids and counts" cases of the OpenAI API are run
    Then every case conforms

  @normal @needs.embeddings
  Scenario: Invalid embedding requests are rejected
    When the "invalid embedding requests" cases of the OpenAI API are run
    Then every case conforms

  @normal @needs.embeddings
  Scenario: Requests that do not fit the embedding model are rejected
    When the "embedding model mismatches" cases of the OpenAI API are run
    Then every case conforms

  @normal @needs.embeddings @needs.command
  Scenario: Embeddings of the suite's model are normalised and exactly counted
    When the "figures of the embedding model" cases of the OpenAI API are run
    Then every case conforms
