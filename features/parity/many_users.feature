Feature: Users at the same time do not disturb each other
  Nobody may read in an answer what belongs to somebody else, wait because another one reads slowly,
  or lose an answer because another one has left.

  @blocker
  Scenario Outline: 32 users of <server> get their own answers, each <form>
    When 32 users at once ask <server>, each about something else, for <form>
    Then everybody has got the answer to their own question

    @needs.speaking
    Examples: mistral.rs
      | server     | form           |
      | mistral.rs | a whole answer |
      | mistral.rs | a stream       |

    @needs.ollama_api
    Examples: the gateway
      | server      | form           |
      | the gateway | a whole answer |
      | the gateway | a stream       |

    @needs.ollama
    Examples: a real Ollama
      | server        | form     |
      | a real Ollama | a stream |

  @critical
  Scenario Outline: 8 users of <server> get answers to their own questions, each <form>
    When 8 users at once ask <server>, each a question of another length, for <form>
    Then everybody has got the answer to their own question

    Examples: mistral.rs, whatever its model
      | server     | form           |
      | mistral.rs | a whole answer |
      | mistral.rs | a stream       |

    @needs.ollama_api
    Examples: the gateway, whatever its model
      | server      | form           |
      | the gateway | a whole answer |
      | the gateway | a stream       |

  @critical @needs.command
  Scenario Outline: Who does not read on at <server> keeps nobody waiting
    Given a server that can talk for long, with a gateway before it
    When a client of <server> does not read on while 4 others ask
    Then all 4 others have the right answer within 30 seconds

    Examples: mistral.rs
      | server     |
      | mistral.rs |

    @needs.ollama_api
    Examples: the gateway
      | server      |
      | the gateway |

  @critical @needs.command
  Scenario Outline: When a client of <server> leaves <form>, the work for it ends
    Given a server that can talk for long, with a gateway before it
    When a client of <server> leaves half-way through <form>
    Then the server stops its work for that client within 2 seconds

    Examples: mistral.rs
      | server     | form           |
      | mistral.rs | a stream       |
      | mistral.rs | a whole answer |

    @needs.ollama_api
    Examples: the gateway
      | server      | form           |
      | the gateway | a stream       |
      | the gateway | a whole answer |

  @critical @needs.command
  Scenario Outline: Who leaves <server> takes nobody else's answer along
    Given a server that can talk for long, with a gateway before it
    When clients of <server> leave while another one reads a stream
    Then the stream of the other one comes to its proper end

    Examples: mistral.rs
      | server     |
      | mistral.rs |

    @needs.ollama_api
    Examples: the gateway
      | server      |
      | the gateway |

  @critical @needs.command
  Scenario: A full server answers who asks, or says that it is busy
    Given a server of its own that takes 1 request at a time
    When 8 users at once ask mistral.rs, each about something else, for a whole answer
    Then everybody has got the right answer, or is told that the server is busy
