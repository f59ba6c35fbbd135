@needs.speaking @needs.responses
Feature: The Responses API answers as OpenAI's does
  Newer programs of OpenAI's speak the Responses API. They rely on the form of a response, on the order of the
  events of a stream, and on refusals that say what was wrong.

  @normal
  Scenario Outline: In the Responses API <behaviour>
    When a Responses client tries "<behaviour>"
    Then the contract is kept

    Examples: whole responses
      | behaviour                                                  |
      | a response is complete and holds its text                  |
      | the tokens of a response add up                            |
      | the instructions of a response decide it                   |
      | the input of a response can be a conversation              |
      | the input of a response can come in parts                  |
      | a response keeps what was noted down with it               |
      | a response that was cut has as many tokens as were allowed |
      | a response that was cut says that it is incomplete         |

    Examples: forms and tools
      | behaviour                                     |
      | a response has all that OpenAI's own type has |
      | a response calls a tool                       |
      | a response answers the result of a tool       |

    Examples: streams
      | behaviour                                                   |
      | a streamed response has one end                             |
      | the pieces of a streamed response join to its text          |
      | a streamed response says and counts what the whole one does |
      | a streamed response splits no character                     |
      | a long response comes in many pieces                        |
      | a streamed response that was cut says that it is incomplete |

    Examples: what a stream is made of
      | behaviour                                                      |
      | a text in a streamed response is done before its part          |
      | an item of a streamed response keeps its id                    |
      | the events of a response have all that OpenAI's own types have |
      | a streamed response calls a tool                               |
      | a response in the background can be streamed                   |

    Examples: requests that are refused
      | behaviour                                               |
      | a response without input is refused                     |
      | an input that is a number is refused                    |
      | a response that breaks off is refused                   |
      | a response of no token at all is refused                |
      | a response of an unknown model is not found             |
      | a refusal of the Responses API is OpenAI's error object |

    Examples: responses that do not exist
      | behaviour                                           |
      | a response after one that does not exist is refused |
      | a response that does not exist is not found         |
      | a response that does not exist cannot be deleted    |
      | a response that does not exist cannot be cancelled  |
