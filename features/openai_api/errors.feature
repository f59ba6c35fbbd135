Feature: A wrong request is refused and does no harm
  A client with a bug gets an answer that says what was wrong, in the form that its library understands,
  and the next request of everybody else is served as if nothing had happened.

  @critical
  Scenario Outline: A request with <mistake> is refused as the client's mistake
    When a client sends a request with "<mistake>"
    Then the status is <status>
    And a good request is served

    Examples: mistakes
      | mistake          | status     |
      | an unknown model | 404        |
      | malformed JSON   | 400        |
      | a missing field  | 400 or 422 |
      | a wrong type     | 400 or 422 |
      | an unknown route | 404        |
      | a wrong method   | 405        |
      | no content type  | 415        |
      | no room for a token | 400 or 422 |

  @normal
  Scenario Outline: The refusal of a request with <mistake> is explained in the agreed form
    When a client sends a request with "<mistake>"
    Then the error has the OpenAI form and mentions "<words>"

    Examples: mistakes
      | mistake          | words      |
      | an unknown model | nobody     |
      | malformed JSON   | json       |
      | a missing field  | messages   |
      | a wrong type     | max_tokens |
