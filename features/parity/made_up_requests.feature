@slow @needs.command @budget.120s
Feature: No made-up request brings the server down
  Whoever can reach the server can send it anything. It may refuse, but it has to answer each request,
  and must not fail by it.

  @normal
  Scenario: Made-up requests are answered without a failure
    Given a server of its own
    When requests are made up from the server's own description for 40 seconds
    Then no made-up request has made the server fail
