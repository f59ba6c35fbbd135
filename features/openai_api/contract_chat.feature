@needs.speaking
Feature: Chat answers keep the OpenAI contract
  A client library was written against OpenAI's own documentation and knows nothing of this server.
  Every answer has to be one that it understands.

  @critical
  Scenario Outline: In the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: first
      | behaviour                |
      | a good request is served |
