@needs.speaking
Feature: OpenAI's own client works with the server
  Most programs do not speak HTTP themselves: they use OpenAI's Python package. What they do with it has to
  work unchanged, and what goes wrong has to arrive as the error that they handle.

  @critical @smoke
  Scenario Outline: OpenAI's own client can <journey>
    When the official OpenAI client wants to "<journey>"
    Then the client gets it in the form that it reads

    Examples: answers
      | journey                    |
      | ask a question             |
      | count what it spent        |
      | read a stream              |
      | put a stream together      |
      | continue a text            |
      | find its model in the list |
      | read a tool call           |

    Examples: errors
      | journey                         |
      | tell that a model is unknown    |
      | tell that an address is unknown |
      | tell that its request was wrong |
