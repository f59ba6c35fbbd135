@needs.ollama_api
Feature: What one request says holds in the next
  Programs ask again and again: they go on where they ended, compare what was counted, and look
  for the same models in every list.

  @critical
  Scenario Outline: From one request to the next: <walk>
    When an Ollama client goes through "<walk>"
    Then every step is answered as documented

    Examples: contexts, counts, vectors and lists
      | walk                                                     |
      | a text goes on where its context ended                   |
      | the same question counts the same tokens again           |
      | a longer question counts more tokens                     |
      | the texts of a list have the vectors that they have alone |
      | the list in the other API names the same models          |

  @normal
  Scenario Outline: The store of models: <walk>
    When an Ollama client goes through "<walk>"
    Then every step is answered as documented

    Examples: copies, models of models, models of files
      | walk                                                              |
      | a copy answers as the model does until it is removed              |
      | a model made of another one has the system message that it was given |
      | a file is sent once and known from then on                        |
      | a model made of a file answers as its script says                 |
