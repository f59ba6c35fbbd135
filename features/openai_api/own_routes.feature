@needs.speaking
Feature: The routes of mistral.rs itself keep their word
  Beside the OpenAI API the server has routes of its own. Which version has which is listed; where they are,
  they have to work.

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

  @minor @needs.request_ids
  Scenario Outline: In every API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: request ids
      | behaviour                                      |
      | an id of the client comes back with the answer |
      | an answer has an id when the client gave none  |
      | a refusal has an id as well                    |
