Feature: The server says that it is well
  A load balancer asks the server every few seconds whether it may send users there. It needs a plain
  answer, without a model being asked.

  @blocker @smoke
  Scenario Outline: <method> <path> answers that the server is well
    When a client sends <method> <path>
    Then the status is 200
    And the content type is "text/plain"

    Examples: addresses of the health check
      | method | path    |
      | GET    | /health |
      | GET    | /       |
      | HEAD   | /health |
