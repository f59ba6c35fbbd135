@needs.speaking @needs.messages
Feature: Anthropic's own client works with the server
  Programs use Anthropic's Python package. What they do with it has to work unchanged, and a refusal has to
  arrive in the form that the package reads.

  @critical
  Scenario Outline: Anthropic's own client can <journey>
    When the official Anthropic client wants to "<journey>"
    Then the client gets it in the form that it reads

    Examples: answers
      | journey                           |
      | ask a question                    |
      | read a stream                     |
      | put a stream together             |
      | count the tokens beforehand       |
      | read a tool call                  |
      | put a streamed tool call together |
      | give back the result of a tool    |

    Examples: errors
      | journey                         |
      | tell that a model is unknown    |
      | tell why a question was refused |
      | tell why a stream was refused   |

  @normal
  Scenario Outline: In the Messages API <behaviour>
    When an Anthropic client tries "<behaviour>"
    Then the contract is kept

    Examples: names and limits
      | behaviour                                  |
      | a message of an unknown model is not found |
      | a count for an unknown model is refused    |
      | a message without a limit is refused       |
      | a message of no token at all is refused    |
      | a limit below zero is refused              |

    Examples: what a request is made of
      | behaviour                                                                 |
      | a message without a question is refused                                   |
      | an empty conversation is refused                                          |
      | a role that does not exist is refused                                     |
      | a block of an unknown kind is refused                                     |
      | a system message that is a number is refused                              |
      | a message that breaks off is refused                                      |
      | a message longer than the context is refused                              |
      | a stream of a message longer than the context is refused before it starts |
