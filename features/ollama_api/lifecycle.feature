@needs.ollama_api
Feature: A model is loaded as long as it is kept
  A machine has room for few models. Programs load one, keep it for some minutes and let it go,
  and see in the list of loaded models what is there.

  @critical
  Scenario Outline: Loading and unloading: <walk>
    When an Ollama client goes through "<walk>"
    Then every step is answered as documented

    Examples: loading and unloading
      | walk                                                       |
      | a model that answers is listed as loaded                   |
      | a model that is told to go leaves, and comes back when asked |
      | a model leaves when its time is over                       |
      | each request keeps the model longer                        |
      | a model that is to stay has no end                         |
      | a model that has to be loaded first takes longer to load   |
