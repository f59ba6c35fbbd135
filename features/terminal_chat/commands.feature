@needs.command @needs.pty
Feature: Slash commands control the chat
  Lines that begin with a command are for the program, not for the model. An invalid value is rejected
  with the range or format that is valid, and the chat goes on.

  Background:
    Given a terminal chat

  @normal
  Scenario: The help lists every command
    When the line "/help" is typed
    Then the output contains "/exit", "/system" and "/clear"
    And the output contains "/temperature", "/topk" and "/topp"
    And the chat shows a new prompt

  @critical
  Scenario Outline: The system message of a <role> determines the next answer
    Given the line "/system You are a <role>." was typed
    When the line "Tell me about the harbour" is typed
    Then the answer matches the script

    Examples: roles
      | role   |
      | pirate |
      | butler |

  @normal
  Scenario: Clearing the chat removes the system message
    Given the line "/system You are a pirate." was typed
    And the line "/clear" was typed
    When the line "Tell me about the harbour" is typed
    Then the answer matches the script

  @normal
  Scenario Outline: The command "<line>" takes effect with the next answer
    Given the line "<line>" was typed
    When the line "Tell me about the comet" is typed
    Then the answer matches the script
    And the output contains "<effect>"

    Examples: sampling parameters
      | line             | effect    |
      | /temperature 0.5 | temp=0.5  |
      | /topk 7          | top_k=7   |
      | /topp 0.5        | top_p=0.5 |

  @normal
  Scenario Outline: The command "<line>" is rejected with an explanation
    When the line "<line>" is typed
    Then the output contains "<explanation>"
    And the output does not contain "Stats:"
    And the chat shows a new prompt

    Examples: out of range, not a number, missing
      | line              | explanation                       |
      | /temperature 3    | temperature must be in [0.0, 2.0] |
      | /temperature nan  | temperature must be in [0.0, 2.0] |
      | /temperature warm | format is `/temperature <float>`  |
      | /temperature      | format is `/temperature <float>`  |
      | /topk 0           | top-k must be a positive integer  |
      | /topk many        | format is `/topk <int>`           |
      | /topp 1.5         | top-p must be in (0.0, 1.0]       |
      | /topp some        | format is `/topp <float>`         |

  @normal
  Scenario: A rejected value leaves the setting unchanged
    Given the line "/temperature 0.5" was typed
    And the line "/temperature 3" was typed
    When the line "Tell me about the comet" is typed
    Then the output contains "temp=0.5"

  @normal
  Scenario Outline: The line "<line>" is sent to the model
    When the line "<line>" is typed
    Then the answer matches the script

    Examples: no command, or a command with extra words
      | line                          |
      | /tell me about the lighthouse |
      | /help me with the harbour     |
      | /exit through the orchard     |

  @normal
  Scenario: An empty line is not sent
    Given the line "Tell me about the comet" was typed
    When the line "" is typed
    Then the output does not contain "Stats:"
    And the chat shows a new prompt
