@needs.scripted_model
Feature: The official OpenAI client works unchanged
  Most programs use OpenAI's Python package instead of plain HTTP. Its calls have to work unchanged,
  and an error has to arrive as the exception that programs handle.

  Background:
    Given a server with the scripted model

  @critical @smoke
  Scenario Outline: The official OpenAI client can <task>
    When the official OpenAI client runs the task "<task>"
    Then the client returns the expected value

    Examples: answers
      | task                          |
      | ask a question                |
      | count the tokens              |
      | read a stream                 |
      | assemble a stream             |
      | request a completion          |
      | find the model in the list    |
      | read a tool call              |
      | assemble a streamed tool call |

    Examples: errors
      | task                            |
      | report an unknown model         |
      | report an unknown URL           |
      | report an invalid request       |
