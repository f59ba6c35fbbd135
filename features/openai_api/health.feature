Feature: Health check
  Load balancers and supervisors poll the server. A healthy server answers at once, on every route that is
  used for it.

  Background:
    Given a server with any model

  @critical @smoke
  Scenario: Health check routes return 200
    When the "health check" cases of the OpenAI API are run
    Then every case conforms
