@slow @needs.command @budget.120s
Feature: The server survives fuzzing
  Any client that reaches the server can send it anything. The server may reject a request, but has to
  respond to each, and must not fail.

  Background:
    Given a dedicated server with a memory limit

  @critical @needs.schemathesis
  Scenario: Generated requests are answered without a failure
    When requests generated from the OpenAPI description are sent for 30 seconds
    Then the server is still running
    And every request is answered within 10 seconds
    And no request gets a server error

  @blocker
  Scenario: A trillion choices in one call are rejected
    When a client requests 1000000000000 choices in one call
    Then the request is rejected
    And the server is still running
