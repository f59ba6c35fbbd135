@needs.speaking @needs.responses
Feature: The server remembers its responses
  A program goes on from an earlier response, has a long one made in the background and fetches it later. What
  it was told to forget is forgotten.

  @normal
  Scenario Outline: From one response to the next: <walk>
    When a Responses client goes through "<walk>"
    Then every step is answered as documented

    Examples: stored responses
      | walk                                               |
      | a response can be read again by its id             |
      | a streamed response can be read again by its id    |
      | a response that was deleted is gone                |
      | a response that is not to be stored cannot be read |
      | every response has an id of its own                |

    Examples: conversations
      | walk                                          |
      | a response goes on from an earlier one        |
      | a conversation goes on over several responses |
      | a longer conversation counts more tokens      |
      | instructions end with their response          |

    Examples: in the background
      | walk                                                   |
      | a response in the background gets done                 |
      | a response in the background is part of a conversation |
      | a response in the background that fails says why       |
      | a response in the background can be cancelled          |
      | a cancelled response stays cancelled                   |
      | a response that is done cannot be cancelled            |

  @critical
  Scenario Outline: OpenAI's own client can <journey>
    When the official Responses client wants to "<journey>"
    Then the client gets it in the form that it reads

    Examples: responses
      | journey                               |
      | get a response                        |
      | read a streamed response              |
      | put a streamed response together      |
      | go on from a response                 |
      | read a response again and delete it   |
      | wait for a response in the background |
      | read the tool call of a response      |
      | tell that a response is unknown       |
