@needs.ollama_api
Feature: The server tells what it is and has
  Tools find an Ollama by its root, its version and its lists before they ask for anything.
  What they find there has to be what Ollama tells, or they take the server for another.

  @critical
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: what it is
      | behaviour                                     |
      | the root says that it runs                    |
      | the root answers a question without a body    |
      | the version is told                           |
      | the version answers a question without a body |

    Examples: its models
      | behaviour                                            |
      | the list of models is complete                       |
      | the list of models answers a question without a body |
      | the list of loaded models is complete                |
      | a model is described                                 |
      | a model is described by the older field too          |
      | a description leaves long lists out                  |
      | a verbose description has the long lists             |
      | a description without a model is refused             |

  @normal
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: what it does not know
      | behaviour                                    |
      | a description of an unknown model is refused |
      | an unknown route is not found                |

    Examples: routes asked the wrong way
      | behaviour                  |
      | generate does not take GET |
      | chat does not take GET     |
      | show does not take PUT     |
      | delete does not take GET   |
      | tags does not take DELETE  |

    Examples: pages in a browser
      | behaviour                          |
      | a page of this machine may ask     |
      | a page of another site may not ask |
      | a browser may ask before it asks   |
