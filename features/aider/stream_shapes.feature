Feature: Shapes of a stream that Aider reads
  The API leaves the form of a stream partly open, and servers differ in it. Whatever the form, the text arrives,
  and one request is enough.

  @critical @needs.command @needs.aider
  Scenario Outline: Aider applies the edit of <shape>
    Given the project "thermometer"
    And Aider is connected to mistral.rs
    And the server answers with <shape>
    When Aider is asked "Correct the melting point" with
      | option | value          |
      | file   | thermometer.py |
    Then Aider commits a change of "thermometer.py"
    And Aider sends 1 request for an edit
    And the tests "test_ice" of the project pass

    Examples: deltas
      | shape                    |
      | a stream without roles   |
      | a first content of null  |
      | an empty first delta     |
      | a usage chunk at the end |
      | all text in one chunk    |
      | a draft in its reasoning |

    Examples: server-sent events
      | shape                     |
      | CRLF line ends            |
      | keep-alive comments       |
      | no space after each colon |
