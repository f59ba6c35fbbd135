@needs.ollama_api
Feature: A model does what it can and says what it cannot
  Tools, thoughts, forms and probabilities: programs ask for them when a model has them,
  and need a plain refusal when it has not.

  @critical
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: forms
      | behaviour                                  |
      | JSON is given where JSON is asked for      |
      | a schema with one choice leaves one answer |
      | a schema of an object gives such an object |
      | a form that is cut says so                 |

    Examples: tools
      | behaviour                                       |
      | a call of a tool has its arguments as an object |
      | two calls are numbered in their order           |
      | streamed calls are the same calls               |
      | without tools a call is plain text              |
      | the answer of a tool is taken                   |

    Examples: thoughts
      | behaviour                               |
      | thoughts are kept apart from the answer |
      | streamed thoughts are the same thoughts |
      | thoughts of a text are kept apart too   |

  @normal
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: forms that are none
      | behaviour                              |
      | an unknown form is refused             |
      | a form that is a number is refused     |
      | a schema of an unknown type is refused |

    Examples: probabilities
      | behaviour                                     |
      | tokens come with their probabilities          |
      | other tokens come with theirs                 |
      | probabilities come with each line of a stream |
      | no probabilities come unasked                 |
      | too many other tokens are refused             |
      | fewer than no other tokens are refused        |

    Examples: tools that are none
      | behaviour                                       |
      | arguments of a call that are a text are refused |
      | tools that are no list are refused              |
      | a model without tools says so                   |

    Examples: thoughts that are none
      | behaviour                                         |
      | a model without thoughts says so                  |
      | a model without thoughts may be told not to think |
      | an unknown depth of thought is refused            |

    Examples: filling in, and what is told
      | behaviour                             |
      | text is put between two texts         |
      | a model that cannot fill in says so   |
      | what a model can do is told           |
      | a model that can fill in says so      |
      | an image that is no base64 is refused |
