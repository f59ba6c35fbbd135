@slow @budget.300s @needs.command
Feature: Test suites of others pass on the server
  The authors of the official SDKs test them against a server, and others wrote down the types of the Responses API. Their
  tests owe nothing to this project. What of them does not apply is listed with its reason (docs/independent_suites.md).

  @normal @needs.openai_tests
  Scenario Outline: OpenAI's SDK tests of <part> pass on mistral.rs
    Given mistral.rs with any model
    When OpenAI's SDK test suite runs the tests "<part>" on mistral.rs
    Then the suite returns "no failure"

    Examples: parts of the API
      | part             |
      | chat completions |
      | completions      |
      | models           |

    @needs.embeddings
    Examples: with an embedding model
      | part       |
      | embeddings |

  @normal @needs.anthropic_tests @needs.messages
  Scenario: Anthropic's SDK tests of messages pass on mistral.rs
    Given mistral.rs with any model
    When Anthropic's SDK test suite runs the tests "messages" on mistral.rs
    Then the suite returns "no failure"

  @normal @needs.openresponses_types @needs.responses
  Scenario: Responses of mistral.rs have the types of Open Responses
    Given mistral.rs with any model
    When the Open Responses type suite runs the tests "responses" on mistral.rs
    Then the suite returns "no failure"
