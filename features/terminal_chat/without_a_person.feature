@needs.command
Feature: A chat without a person
  Scripts ask too: with questions in a file, through a pipe, or a single one on the command line. They get
  their answers and an end.

  @critical
  Scenario Outline: Questions from <source> are answered one after the other
    When these questions come from <source>
      """
      Tell me about the harbour
      Tell me about the comet
      """
    Then it succeeds within 10 seconds
    And it mentions "room for forty boats"
    And it mentions "comes back every seventy-six years"

    Examples: sources
      | source |
      | a file |
      | a pipe |

  @normal
  Scenario: Commands from a file are obeyed
    When these questions come from a file
      """
      /system You are a pirate.
      Tell me about the harbour
      /clear
      Tell me about the glacier
      """
    Then it succeeds within 10 seconds
    And it mentions "Arr, matey!"
    And it mentions "moves about one metre"

  @critical @needs.pty @needs.subcommands
  Scenario Outline: A single question about the <topic> is answered in the terminal
    When the operator asks "Tell me about the <topic>" in the terminal without a chat
    Then the terminal gets "<answer>"
    And the terminal gets "Stats:"
    And the chat ends well within 2 seconds
    And the terminal is as it was

    Examples: plain, and of many bytes
      | topic   | answer                                    |
      | violin  | A violin has four strings, tuned in fifths. |
      | unicode | Ελλάδα, Привет, 東京の灯台                |
