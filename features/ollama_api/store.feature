@needs.ollama_api
Feature: The store of models refuses what is wrong
  Programs pull, copy, make and remove models. A wrong name or a broken file must never
  be taken, and the refusal has to say why.

  @normal
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: pull and push
      | behaviour                                                        |
      | a pull of an unknown model fails in the stream                   |
      | a pull of an unknown model that is not streamed fails as a whole |
      | a pull without a model is refused                                |
      | a push without a model is refused                                |

    Examples: copy and delete
      | behaviour                                        |
      | a copy of an unknown model is refused            |
      | a copy without names is refused                  |
      | a copy to a name that leads elsewhere is refused |
      | an unknown model is not removed                  |
      | nothing is not removed                           |

    Examples: create
      | behaviour                                      |
      | a model of nothing is not made                 |
      | a model without a name is not made             |
      | a model with a broken template is not made     |
      | a file that leads elsewhere is not taken       |
      | a model of a file that nobody sent is not made |

    Examples: files
      | behaviour                                              |
      | a file that nobody sent is not there                   |
      | a file with another content than its digest is refused |
      | a file with a digest that is none is refused           |
