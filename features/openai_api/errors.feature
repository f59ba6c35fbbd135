Feature: A wrong request is refused and does no harm
  A client with a bug is told that the mistake is its own, nothing of the server's insides is told,
  and the next request of everybody else is served as if nothing had happened.

  @critical
  Scenario Outline: In the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: bodies that are no request
      | behaviour                                  |
      | an empty body is refused                   |
      | a body that breaks off is refused          |
      | a body with something behind it is refused |
      | a body in single quotes is refused         |
      | a list instead of an object is refused     |
      | a number instead of an object is refused   |
      | a text instead of an object is refused     |
      | null instead of an object is refused       |

    Examples: numbers and characters that cannot be
      | behaviour                                               |
      | a number that is none is refused                        |
      | a number beyond all bounds is refused                   |
      | an integer beyond all bounds is refused                 |
      | half a surrogate pair is refused                        |
      | bytes that are no UTF-8 are refused                     |
      | a byte order mark is taken or refused, and does no harm |
      | a key given twice does no harm                          |
      | five thousand nested brackets do no harm                |

    Examples: bodies that a server must survive
      | behaviour                                |
      | a body of 51 MiB is refused as too large |

    Examples: media types, methods and addresses
      | behaviour                                     |
      | a body without a media type is refused        |
      | a body as plain text is refused               |
      | a body as a form is refused                   |
      | a chat by GET is no method                    |
      | a chat by PUT is no method                    |
      | a chat by DELETE is no method                 |
      | an address that nobody knows is not found     |
      | an address with a slash too many is not found |

  @normal
  Scenario Outline: In the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: messages
      | behaviour                                      |
      | a chat without messages is refused             |
      | messages that are a number are refused         |
      | messages that are null are refused             |
      | an empty list of messages is refused           |
      | a message without a role is refused            |
      | a message without content is refused           |
      | a message whose content is a number is refused |
      | a role that nobody knows is refused            |

    Examples: models and limits
      | behaviour                                        |
      | a model that nobody knows is not found           |
      | a streamed chat of an unknown model is not found |
      | a model without a name is not found              |
      | a model that is a number is refused              |
      | a limit that is a word is refused                |
      | a limit below zero is refused                    |
      | a limit of zero is refused                       |
      | a limit with a fraction is refused               |

    Examples: counts and sampling
      | behaviour                                 |
      | no choice at all is refused               |
      | fewer choices than none are refused       |
      | a temperature that is a word is refused   |
      | a temperature below zero is refused       |
      | a temperature above all reason is refused |
      | a nucleus larger than all is refused      |
      | a penalty out of its range is refused     |
      | a stream that is a word is refused        |

    Examples: streams and lengths
      | behaviour                                            |
      | a stop sequence that is a number is refused          |
      | a bias for a word is refused                         |
      | a prompt longer than the context is refused          |
      | a streamed prompt longer than the context is refused |
