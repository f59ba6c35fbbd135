@needs.ollama_api
Feature: A prompt gets its completion
  Editors and scripts send a prompt with options and read one answer. What they may leave out,
  and what each option does, they know from Ollama's own documentation.

  @critical
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: loading and unloading
      | behaviour                                                |
      | a good request is served                                 |
      | an empty prompt loads the model                          |
      | an empty prompt to be kept for no time unloads the model |
      | a time to keep of zero seconds unloads the model         |
      | a time to keep below zero is taken                       |
      | a time to keep in words is taken                         |
      | a time to keep with a fraction is taken                  |

    Examples: what goes before the prompt
      | behaviour                                     |
      | a system message decides the text             |
      | a template of the request is used             |
      | a template that is broken is refused          |
      | a raw prompt is used as it is                 |
      | a raw prompt with a system message is refused |
      | an answer brings its context                  |

  @normal
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: times to keep that are none
      | behaviour                                   |
      | a time to keep that is none is refused      |
      | a time to keep without a unit is refused    |
      | a time to keep of the wrong type is refused |

    Examples: names, fields and types
      | behaviour                                    |
      | a name with its tag is the same model        |
      | a name with another tag is another model     |
      | an unknown field is ignored                  |
      | an unknown option is ignored                 |
      | no content type is needed                    |
      | the content type of a form is taken for JSON |
      | the same seed gives the same text            |

    Examples: more than fits
      | behaviour                                                   |
      | a prompt beyond a short context is cut                      |
      | a prompt beyond the context that must not be cut is refused |
