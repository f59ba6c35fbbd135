@needs.speaking
Feature: The routes of mistral.rs itself keep their word
  Beside the OpenAI API the server has routes of its own, and those of other APIs. Which version has which
  is listed; where they are, they have to work.

  @normal @needs.own_routes
  Scenario Outline: In the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: machine, routes and states
      | behaviour                                |
      | the server tells what machine it runs on |
      | the server describes its routes          |
      | the state of a loaded model is told      |
      | the state of an unknown model is told    |
      | the state of no model at all is refused  |

  @critical @needs.own_routes @needs.command
  Scenario Outline: Within the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: unloading, on a server that may be hurt
      | behaviour                                          |
      | an unloaded model is loaded again when it is asked |

  @normal @needs.responses
  Scenario Outline: In the Responses API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: responses
      | behaviour                                          |
      | a response is complete and holds its text          |
      | the tokens of a response add up                    |
      | the instructions of a response decide it           |
      | the input of a response can be a conversation      |
      | a response that was cut says that it is incomplete |
      | a streamed response has one end                    |
      | the pieces of a streamed response join to its text |
      | a response without input is refused                |

    Examples: responses that cannot be
      | behaviour                                   |
      | a response of an unknown model is not found |
      | a response that does not exist is not found |

  @normal @needs.messages
  Scenario Outline: In the Messages API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: messages
      | behaviour                                         |
      | a message of the other API is answered            |
      | the tokens of a message can be counted beforehand |

  @minor @needs.request_ids
  Scenario Outline: In every API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: request ids
      | behaviour                                      |
      | an id of the client comes back with the answer |
      | an answer has an id when the client gave none  |
      | a refusal has an id as well                    |
