Feature: Edit blocks that Aider cannot apply
  A model may quote lines that are not in the file, or forget its name. Aider sends the reason back and applies the
  correction; it never applies half a block, and keeps the bytes of all other lines.

  Background:
    Given the project "tavern"

  @critical @needs.command @needs.aider
  Scenario Outline: <block> is sent back to <server> and corrected
    Given Aider is connected to <server>
    When Aider is asked "<request>" with
      | option      | value    |
      | edit-format | diff     |
      | file        | menu.txt |
    Then Aider sends <requests> requests for an edit
    And Aider adds <commits> commit
    And only "menu.txt" is changed
    And the tests "<test>" of the project pass

    Examples: OpenAI API
      | server     | block                       | request             | requests | commits | test                              |
      | mistral.rs | A block that does not match | A dearer broth      | 2        | 1       | test_menu.Menu.test_soup          |
      | mistral.rs | One wrong block of two      | Prices of inflation | 2        | 2       | test_menu.Menu.test_soup_and_cake |
      | mistral.rs | A repeated applied block    | Festival prices     | 3        | 2       | test_menu.Menu.test_soup_and_cake |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | server      | block                       | request        | requests | commits | test                     |
      | the gateway | A block that does not match | A dearer broth | 2        | 1       | test_menu.Menu.test_soup |

    @needs.ollama
    Examples: a real Ollama
      | server        | block                  | request             | requests | commits | test                              |
      | a real Ollama | One wrong block of two | Prices of inflation | 2        | 2       | test_menu.Menu.test_soup_and_cake |

  @critical @needs.command @needs.aider
  Scenario Outline: Aider changes nothing for <block>
    Given Aider is connected to mistral.rs
    When Aider is asked "<request>" with
      | option      | value    |
      | edit-format | diff     |
      | file        | menu.txt |
    Then Aider prints "<message>"
    And Aider sends <requests> request for an edit
    And the project is unchanged
    And Aider adds 0 commits

    Examples: blocks
      | block                           | request            | requests | message                                    |
      | an edit that is applied already | Bakery prices      | 2        | The REPLACE lines are already in menu.txt! |
      | a file name within a block      | The misplaced dish | 1        | list index out of range                    |

  @critical @needs.command @needs.aider
  Scenario Outline: Aider gives up on <blocks> after three corrections
    Given Aider is connected to <server>
    When Aider is asked "<request>" with
      | option      | value    |
      | edit-format | diff     |
      | file        | menu.txt |
    Then Aider prints "<reason>" and "Only 3 reflections allowed, stopping."
    And Aider sends 4 requests for an edit
    And the project is unchanged
    And Aider adds 0 commits

    Examples: OpenAI API
      | blocks                     | server     | request             | reason                                  |
      | lines that are not there   | mistral.rs | Add goulash         | 1 SEARCH/REPLACE block failed to match! |
      | blocks without a file name | mistral.rs | The nameless dish   | Bad/missing filename                    |
      | blocks without an end      | mistral.rs | The unfinished dish | Expected `>>>>>>> REPLACE` or `=======` |

    @needs.ollama_api
    Examples: Ollama API of the gateway
      | blocks                                   | server      | request           | reason               |
      | the gateway's blocks without a file name | the gateway | The nameless dish | Bad/missing filename |

  @critical @needs.command @needs.aider
  Scenario Outline: An edit of a file with <bytes> is exact
    Given Aider is connected to mistral.rs
    When Aider is asked "<request>" with
      | option       | value  |
      | edit-format  | diff   |
      | line-endings | <ends> |
      | file         | <file> |
    Then Aider commits a change of "<file>"
    And Aider sends 1 request for an edit
    And the tests "<test>" of the project pass

    Examples: files
      | bytes            | request     | ends     | file      | test                                   |
      | CRLF line ends   | New vintage | crlf     | wine.csv  | test_bytes.Bytes.test_carriage_returns |
      | tabs             | New knife   | platform | Makefile  | test_bytes.Bytes.test_tabs             |
      | no final newline | New slogan  | platform | motto.txt | test_bytes.Bytes.test_final_newline    |
