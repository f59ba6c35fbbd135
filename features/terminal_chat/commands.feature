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
  Scenario: The system message determines answers until the chat is cleared
    When these lines are typed one after another
      | line                      |
      | /system You are a pirate. |
      | Tell me about the harbour |
      | /clear                    |
      | Tell me about the harbour |
      | /system You are a butler. |
      | Tell me about the harbour |
    Then every answer matches the script

  @normal
  Scenario: Sampling commands take effect, rejected values leave the settings unchanged
    When these lines are typed one after another
      | line                    | output                            |
      | /temperature 0.5        |                                   |
      | Tell me about the comet | temp=0.5                          |
      | /temperature 3          | temperature must be in [0.0, 2.0] |
      | Tell me about the comet | temp=0.5                          |
      | /topk 7                 |                                   |
      | Tell me about the comet | top_k=7                           |
      | /topp 0.5               |                                   |
      | Tell me about the comet | top_p=0.5                         |
    Then each line has the output given for it
    And every answer matches the script

  @normal
  Scenario: Invalid values are rejected with an explanation
    When these lines are typed one after another
      | line              | output                            |
      | /temperature 3    | temperature must be in [0.0, 2.0] |
      | /temperature nan  | temperature must be in [0.0, 2.0] |
      | /temperature warm | format is `/temperature <float>`  |
      | /temperature      | format is `/temperature <float>`  |
      | /topk 0           | top-k must be a positive integer  |
      | /topk many        | format is `/topk <int>`           |
      | /topp 1.5         | top-p must be in (0.0, 1.0]       |
      | /topp some        | format is `/topp <float>`         |
    Then each line has the output given for it
    And the output does not contain "Stats:"
    And the chat shows a new prompt

  @normal
  Scenario: Lines that merely resemble commands reach the model
    When these lines are typed one after another
      | line                          |
      | /tell me about the lighthouse |
      | /help me with the harbour     |
      | /exit through the orchard     |
    Then every answer matches the script

  @normal
  Scenario: An empty line is not sent
    Given the line "Tell me about the comet" was typed
    When the line "" is typed
    Then the output does not contain "Stats:"
    And the chat shows a new prompt
