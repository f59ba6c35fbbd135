@needs.command
Feature: Non-interactive use of the chat
  Scripts use the chat as well: with lines from a file or a pipe, or with a one-shot prompt. They get
  their answers, and the program ends.

  Background:
    Given a model in the GGUF format

  @critical
  Scenario Outline: Questions from <source> are answered in order
    When a chat reads these lines from <source>
      """
      Tell me about the harbour
      Tell me about the comet
      """
    Then the program exits with code 0 within 10 seconds
    And the output contains "room for forty boats" and "comes back every seventy-six years"

    Examples: sources
      | source |
      | a file |
      | a pipe |

  @normal
  Scenario: Commands from a file take effect
    When a chat reads these lines from a file
      """
      /system You are a pirate.
      Tell me about the harbour
      /clear
      Tell me about the glacier
      """
    Then the program exits with code 0 within 10 seconds
    And the output contains "Arr, matey!" and "moves about one metre"

  @critical @needs.pty @needs.subcommands @needs.one_shot
  Scenario Outline: A one-shot prompt about <topic> is answered in the terminal
    When the operator runs the one-shot prompt "Tell me about the <topic>" in a terminal
    Then the output contains "<answer>" and "Stats:"
    And the program exits with code 0 within 2 seconds
    And the terminal is restored

    Examples: plain and multi-byte characters
      | topic   | answer                                      |
      | violin  | A violin has four strings, tuned in fifths. |
      | unicode | Ελλάδα, Привет, 東京の灯台                  |
