@needs.command
Feature: Users at the same time do not disturb each other
  Nobody may read in an answer what belongs to somebody else, wait because another one reads slowly,
  or lose an answer because another one has left.

  @blocker
  Scenario Outline: 32 users of <server> get their own answers, each <form>
    When 32 users at once ask <server>, each about something else, for <form>
    Then everybody has got the answer to their own question

    Examples: ways
      | server      | form           |
      | mistral.rs  | a whole answer |
      | mistral.rs  | a stream       |
      | the gateway | a whole answer |
      | the gateway | a stream       |

  @blocker @needs.ollama
  Scenario: 32 users of a real Ollama get their own answers
    When 32 users at once ask a real Ollama, each about something else, for a stream
    Then everybody has got the answer to their own question

  @critical
  Scenario Outline: Who does not read on at <server> keeps nobody waiting
    Given a server that can talk for long, with a gateway before it
    When a client of <server> does not read on while 4 others ask
    Then the others are answered

    Examples: ways
      | server      |
      | mistral.rs  |
      | the gateway |

  @critical
  Scenario Outline: When a client of <server> leaves <form>, the work for it ends
    Given a server that can talk for long, with a gateway before it
    When a client of <server> leaves half-way through <form>
    Then the server stops its work for that client within 2 seconds

    Examples: ways
      | server      | form           |
      | mistral.rs  | a stream       |
      | mistral.rs  | a whole answer |
      | the gateway | a stream       |
      | the gateway | a whole answer |

  @critical
  Scenario Outline: Who leaves <server> takes nobody else's answer along
    Given a server that can talk for long, with a gateway before it
    When a client of <server> leaves half-way beside another one
    Then the others are answered

    Examples: ways
      | server      |
      | mistral.rs  |
      | the gateway |

  @critical
  Scenario: A full server answers who asks, or says that it is busy
    Given a server of its own that takes 1 request at a time
    When 8 users ask mistral.rs at once
    Then the others are answered
