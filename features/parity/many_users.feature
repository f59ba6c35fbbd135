Feature: Concurrent users do not affect each other
  An answer must not contain the text of another user, wait for a client that reads slowly,
  or end because another client has disconnected.

  @blocker
  Scenario Outline: 32 concurrent users of <server> get their own answers, <form>
    Given <server> with the scripted model
    When 32 users ask <server> concurrently about different topics, <form>
    Then every user gets the answer to their own question

    @needs.scripted_model
    Examples: mistral.rs
      | server     | form         |
      | mistral.rs | non-streamed |
      | mistral.rs | streamed     |

    @needs.ollama_api @needs.scripted_gateway
    Examples: the gateway
      | server      | form         |
      | the gateway | non-streamed |
      | the gateway | streamed     |

    @needs.ollama @needs.scripted_ollama
    Examples: a real Ollama
      | server        | form     |
      | a real Ollama | streamed |

  @blocker
  Scenario Outline: 8 concurrent prompts to <server> are kept apart, <form>
    Given <server> with any model
    When 8 users ask <server> concurrently with prompts of different lengths, <form>
    Then every user gets the answer to their own question

    Examples: mistral.rs with any model
      | server     | form         |
      | mistral.rs | non-streamed |
      | mistral.rs | streamed     |

    @needs.ollama_api
    Examples: the gateway with any model
      | server      | form         |
      | the gateway | non-streamed |
      | the gateway | streamed     |

  @critical @needs.command
  Scenario Outline: A slow reader on <server> does not delay other clients
    Given a dedicated server with a 32k context behind a gateway
    When a client of <server> stops reading a stream while 4 users ask
    Then the answer matches the script
    And every answer arrives within 30 seconds

    Examples: mistral.rs
      | server     |
      | mistral.rs |

    @needs.ollama_api
    Examples: the gateway
      | server      |
      | the gateway |

  @critical @needs.command
  Scenario Outline: A disconnect from <server> cancels the <form> answer
    Given a dedicated server with a 32k context behind a gateway
    When a client of <server> disconnects during a <form> answer
    Then the server cancels that generation within 2 seconds

    Examples: mistral.rs
      | server     | form         |
      | mistral.rs | streamed     |
      | mistral.rs | non-streamed |

    @needs.ollama_api
    Examples: the gateway
      | server      | form         |
      | the gateway | streamed     |
      | the gateway | non-streamed |

  @blocker @needs.command
  Scenario Outline: A disconnect from <server> does not abort other answers
    Given a dedicated server with a 32k context behind a gateway
    When clients of <server> disconnect while another client reads a stream
    Then the answer is complete

    Examples: mistral.rs
      | server     |
      | mistral.rs |

    @needs.ollama_api
    Examples: the gateway
      | server      |
      | the gateway |

  @blocker @needs.command
  Scenario: Prompts that begin like earlier ones are all answered
    Given a dedicated server
    When clients of mistral.rs repeat the beginnings of a short and a long prompt
    Then every answer matches the script

  @blocker @needs.command
  Scenario: Under overload users get an answer or a busy error
    Given a dedicated server with a batch size of 1
    When 8 users ask mistral.rs concurrently about different topics, non-streamed
    Then every user gets the right answer or a busy error
