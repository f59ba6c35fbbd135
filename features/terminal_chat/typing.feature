@needs.command @needs.pty
Feature: Line editing, paste and history
  Users of a chat paste text of several lines, write in any language, correct a word in the middle of a line
  and recall earlier lines.

  Background:
    Given a terminal chat

  @critical
  Scenario: A pasted text of several lines is one message
    When this text is pasted
      """
      Here is my question, in three lines:
      tell me about
      the lighthouse
      """
    Then the answer matches the script
    And the token counts match the tokenizer

  @normal
  Scenario: Pasted code reaches the model unchanged
    When this text is pasted
      """
      def orchard(trees):
          if not trees:
              return "no pears"

          return len(trees), "baskets"
      """
    Then the answer matches the script
    And the token counts match the tokenizer

  @normal
  Scenario: Every line that arrives at once is answered
    When these lines are typed at once, and then "Tell me about the comet"
      """
      Tell me about the harbour
      Tell me about the violin
      """
    Then the screen shows "room for forty boats"
    And the screen shows "has four strings, tuned in fifths"
    And the chat shows a new prompt

  @normal
  Scenario: Multi-byte characters reach the model unchanged
    When these lines are typed one after another
      | line                               |
      | Où est le violin, là-bas à Zürich? |
      | Πες μου: violin, τι είναι αυτό;    |
      | violin について教えてください      |
      | What is a violin 🎻?               |
    Then every answer matches the script
    And the token counts match the tokenizer
    And the screen shows every line

  @normal
  Scenario: A very long line reaches the model unchanged
    When a line of 2000 characters ending in "orchard" is typed
    Then the answer matches the script
    And the token counts match the tokenizer

  @normal
  Scenario: Arrow keys recall an earlier line
    Given the line "Tell me about the violin" was typed
    And the line "Tell me about the comet" was typed
    And the line "/clear" was typed
    When these keys are pressed
      | key      | times |
      | Arrow-Up | 3     |
      | Enter    | 1     |
    Then the submitted line is "Tell me about the violin"
    And the answer matches the script

  @normal
  Scenario: Arrow-Down undoes one Arrow-Up
    Given the line "Tell me about the comet" was typed
    And the line "/clear" was typed
    When these keys are pressed
      | key        | times |
      | Arrow-Up   | 2     |
      | Arrow-Down | 1     |
      | Arrow-Up   | 1     |
      | Enter      | 1     |
    Then the submitted line is "Tell me about the comet"
    And the answer matches the script

  @normal
  Scenario: A word in the middle can be corrected
    When these keys are pressed
      | key                       | times |
      | "Tell me about the xomet" | 1     |
      | Arrow-Left                | 4     |
      | Backspace                 | 1     |
      | "c"                       | 1     |
      | Enter                     | 1     |
    Then the submitted line is "Tell me about the comet"
    And the answer matches the script

  @critical
  Scenario Outline: Backspace deletes the whole character "<character>" in a line
    When these keys are pressed
      | key                                  | times |
      | "Tell me about the vi<character>lin" | 1     |
      | Arrow-Left                           | 3     |
      | Backspace                            | 1     |
      | "o"                                  | 1     |
      | Enter                                | 1     |
    Then the submitted line is "Tell me about the violin"
    And the answer matches the script

    Examples: characters of two, three and four bytes
      | character |
      | ö         |
      | 你        |
      | 🎻        |

  @critical
  Scenario: Backspace deletes several multi-byte characters
    When these keys are pressed
      | key                                | times |
      | "Tell me about the violin ö你好🎻" | 1     |
      | Backspace                          | 5     |
      | Enter                              | 1     |
    Then the submitted line is "Tell me about the violin"
    And the answer matches the script

  @minor
  Scenario: A new chat recalls lines of the last chat
    Given the line "Tell me about the falcon" was typed
    And the line "/exit" was typed
    And a terminal chat
    When these keys are pressed
      | key      | times |
      | Arrow-Up | 2     |
      | Enter    | 1     |
    Then the submitted line is "Tell me about the falcon"
    And the answer matches the script
