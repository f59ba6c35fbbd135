@needs.command @needs.pty
Feature: A line can be typed, pasted, recalled and mended
  Whoever chats pastes a text of several lines, writes in any language, corrects a word in the middle and
  calls back what was typed before.

  @critical
  Scenario: A pasted text of several lines is one message
    Given a chat in the terminal
    When this text is pasted
      """
      Here is my question, in three lines:
      tell me about
      the lighthouse
      """
    Then the terminal gets what the script says
    And the statistics count what the tokenizer counts

  @normal
  Scenario: A pasted piece of code reaches the model whole
    Given a chat in the terminal
    When this text is pasted
      """
      def orchard(trees):
          if not trees:
              return "no pears"

          return len(trees), "baskets"
      """
    Then the terminal gets what the script says
    And the statistics count what the tokenizer counts

  @normal
  Scenario: Every line that arrives at once is answered
    Given a chat in the terminal
    When these lines are typed at once
      """
      Tell me about the harbour
      Tell me about the violin
      """
    And "Tell me about the comet" is typed
    Then the screen shows "room for forty boats"
    And the screen shows "has four strings, tuned in fifths"
    And the chat waits for the next line

  @normal
  Scenario Outline: A message <of what> reaches the model whole
    Given a chat in the terminal
    When "<text>" is typed
    Then the terminal gets what the script says
    And the statistics count what the tokenizer counts
    And the screen shows "<text>"

    Examples: characters of many bytes
      | of what            | text                                    |
      | with accents       | Où est le violin, là-bas à Zürich?      |
      | in Greek           | Πες μου: violin, τι είναι αυτό;         |
      | in Japanese        | violin について教えてください           |
      | with an emoji      | What is a violin 🎻?                    |

  @normal
  Scenario: A very long line reaches the model whole
    Given a chat in the terminal
    When a line of 2000 characters with "orchard" at its end is typed
    Then the terminal gets what the script says
    And the statistics count what the tokenizer counts

  @normal
  Scenario: Arrow keys recall an earlier line
    Given a chat in the terminal
    And "Tell me about the violin" was typed
    And "Tell me about the comet" was typed
    And "/clear" was typed
    When Arrow-Up is pressed 3 times
    And Enter is pressed
    Then the line was "Tell me about the violin"
    And the terminal gets what the script says

  @normal
  Scenario: An arrow key too many is taken back
    Given a chat in the terminal
    And "Tell me about the comet" was typed
    And "/clear" was typed
    When Arrow-Up is pressed 2 times
    And Arrow-Down is pressed
    And Arrow-Up is pressed
    And Enter is pressed
    Then the line was "Tell me about the comet"
    And the terminal gets what the script says

  @normal
  Scenario: A word in the middle of a line can be mended
    Given a chat in the terminal
    When "Tell me about the xomet" is written
    And Arrow-Left is pressed 4 times
    And Backspace is pressed
    And "c" is written
    And Enter is pressed
    Then the line was "Tell me about the comet"
    And the terminal gets what the script says

  @minor
  Scenario: A new chat recalls the lines of the last one
    Given a chat in the terminal
    And "Tell me about the falcon" was typed
    And "/exit" was typed
    And a chat in the terminal
    When Arrow-Up is pressed 2 times
    And Enter is pressed
    Then the line was "Tell me about the falcon"
    And the terminal gets what the script says
