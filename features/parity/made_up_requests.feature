@slow @needs.command @budget.120s
Feature: No made-up request brings the server down
  Whoever can reach the server can send it anything. It may refuse, but it has to answer each request,
  and must not fail by it.

  @critical
  Scenario: The server outlives made-up requests
    When requests are made up from the server's own description for 30 seconds
    Then the server is still there

  @normal
  Scenario: Made-up requests are answered in time
    When requests are made up from the server's own description for 30 seconds
    Then each of them was answered within 10 seconds

  @normal
  Scenario: Made-up requests are refused, not failed
    When requests are made up from the server's own description for 30 seconds
    Then none of them was answered as a failure of the server

  @critical
  Scenario: A wish for countless answers is refused
    When a client wishes for a million million answers at once
    Then the wish is refused
    And the server is still there
