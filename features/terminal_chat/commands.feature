@needs.command @needs.pty
Feature: Commands steer the chat
  Lines that begin with a command are for the program, not for the model. A wrong value is refused with
  words that tell what would be right, and the chat goes on.

  @normal
  Scenario: The help names every command
    Given a chat in the terminal
    When "/help" is typed
    Then the terminal gets "/exit"
    And the terminal gets "/system"
    And the terminal gets "/clear"
    And the terminal gets "/temperature"
    And the terminal gets "/topk"
    And the terminal gets "/topp"
    And the chat waits for the next line

  @critical
  Scenario Outline: A system message <with what> decides the next answer in the terminal
    Given a chat in the terminal
    And "/system You are a <role>." was typed
    When "Tell me about the harbour" is typed
    Then the terminal gets what the script says

    Examples: roles
      | with what      | role   |
      | for a pirate   | pirate |
      | for a butler   | butler |

  @normal
  Scenario: A system message is forgotten when the chat is cleared
    Given a chat in the terminal
    And "/system You are a pirate." was typed
    And "/clear" was typed
    When "Tell me about the harbour" is typed
    Then the terminal gets what the script says

  @normal
  Scenario Outline: The command "<line>" counts from the next answer on
    Given a chat in the terminal
    And "<line>" was typed
    When "Tell me about the comet" is typed
    Then the terminal gets what the script says
    And the terminal gets "<effect>"

    Examples: settings of the sampling
      | line             | effect   |
      | /temperature 0.5 | temp=0.5 |
      | /topk 7          | top_k=7  |
      | /topp 0.5        | top_p=0.5 |

  @normal
  Scenario Outline: The line "<line>" is refused in plain words
    Given a chat in the terminal
    When "<line>" is typed
    Then the terminal gets "<words>"
    And the terminal does not get "Stats:"
    And the chat waits for the next line

    Examples: out of range, no numbers, missing
      | line              | words                             |
      | /temperature 3    | temperature must be in [0.0, 2.0] |
      | /temperature nan  | temperature must be in [0.0, 2.0] |
      | /temperature warm | format is `/temperature <float>`  |
      | /temperature      | format is `/temperature <float>`  |
      | /topk 0           | top-k must be a positive integer  |
      | /topk many        | format is `/topk <int>`           |
      | /topp 1.5         | top-p must be in (0.0, 1.0]       |
      | /topp some        | format is `/topp <float>`         |

  @normal
  Scenario: A refused value leaves the setting as it was
    Given a chat in the terminal
    And "/temperature 0.5" was typed
    And "/temperature 3" was typed
    When "Tell me about the comet" is typed
    Then the terminal gets "temp=0.5"

  @normal
  Scenario Outline: The line "<line>" goes to the model
    Given a chat in the terminal
    When "<line>" is typed
    Then the terminal gets what the script says

    Examples: no command, or one with too many words
      | line                         |
      | /tell me about the lighthouse |
      | /help me with the harbour    |
      | /exit through the orchard    |

  @normal
  Scenario: An empty line is not sent
    Given a chat in the terminal
    And "Tell me about the comet" was typed
    When "" is typed
    Then the terminal does not get "Stats:"
    And the chat waits for the next line
