Feature: The server says that it is well
  A load balancer asks the server every few seconds whether it may send users there. It needs a plain
  answer, without a model being asked.

  @blocker @smoke
  Scenario Outline: In the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: addresses of the health check
      | behaviour                                    |
      | the health check answers that all is well    |
      | the root address answers that all is well    |
      | the health check needs no body in its answer |
