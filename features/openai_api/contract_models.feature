Feature: The list of models keeps the OpenAI contract
  A client looks up the models before it uses one. The list has to be in the form that it knows, and a name
  that is not on it must not be found.

  @critical
  Scenario Outline: In the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: lists and single models
      | behaviour                                        |
      | the list of models is in the agreed form         |
      | the list of models holds the name that is served |
      | a loaded model says that it is loaded            |
      | a single model can be looked up                  |
      | the list of models takes no post                 |
