@needs.scripted_model @needs.messages
Feature: Streamed messages consist of Anthropic's events
  A program shows a message while it is generated. It relies on named events in the documented order, on an end for
  every content block, and on complete text without loss or duplication.

  Background:
    Given a server with the scripted model

  @critical
  Scenario: Streamed messages have ordered events and complete text
    When the "stream events and text" cases of the Anthropic API are run
    Then every case conforms

  @critical
  Scenario: Streamed messages report stop reason, usage and tool calls
    When the "stream stop reasons, usage and tool calls" cases of the Anthropic API are run
    Then every case conforms
