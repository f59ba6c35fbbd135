@needs.speaking
Feature: Tool calls keep the OpenAI contract
  An agent runs what the model asks for. It has to get a name and arguments that it can read, and never
  the markup of a model.

  @critical
  Scenario Outline: In the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: calls and choices
      | behaviour                                         |
      | what the model says as a tool call becomes one    |
      | a tool call leaves none of its markup in the text |
      | two tool calls have two names of their own        |
      | a model that calls no tool just answers           |
      | the choice auto is the choice without a word      |
      | the choice none gives text                        |
      | the choice required gives a tool call             |
      | the choice of a named tool calls that tool        |

    Examples: streams, results and mistakes
      | behaviour                                            |
      | a streamed tool call is the whole one                |
      | the result of a tool goes back to the model          |
      | a call that must be made without any tool is refused |
      | a tool without a name is refused                     |
