Feature: Malformed requests are rejected and do no harm
  A client that sends a malformed request gets a 4xx error that leaks no internals, and the next request
  of any other client is answered as usual.

  Background:
    Given a server with any model

  @critical
  Scenario: Bodies that are not JSON objects are rejected
    When the "malformed bodies" cases of the OpenAI API are run
    Then every case conforms

  @critical
  Scenario: Invalid numbers, characters and nesting do no harm
    When the "invalid numbers and characters" cases of the OpenAI API are run
    Then every case conforms

  @critical
  Scenario: A 51 MiB body is rejected as too large
    When the "oversized bodies" cases of the OpenAI API are run
    Then every case conforms

  @critical
  Scenario: Wrong media types, methods and paths are rejected
    When the "media types, methods and paths" cases of the OpenAI API are run
    Then every case conforms
