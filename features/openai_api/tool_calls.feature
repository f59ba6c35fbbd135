@needs.scripted_model
Feature: Tool calls follow the OpenAI API
  Agents offer tools and run the calls that the model returns. They need the name and the arguments of
  each call as documented fields, never as text, and an answer when no tool is called.

  Background:
    Given a server with the scripted model

  @critical
  Scenario: Tool calls are parsed, streamed and continued
    When the "tool calls" cases of the OpenAI API are run
    Then every case conforms

  @critical
  Scenario: Streamed tool calls equal the non-streamed ones
    When the "streamed tool calls" cases of the OpenAI API are run
    Then every case conforms

  @critical
  Scenario: tool_choice decides whether a tool is called
    When the "tool choice" cases of the OpenAI API are run
    Then every case conforms

  @critical
  Scenario: Invalid tool requests are rejected
    When the "invalid tool requests" cases of the OpenAI API are run
    Then every case conforms
