@needs.ollama_api
Feature: Words are drawn as the options say
  The seed, the temperature, penalties and the choice of candidates have to do what they promise. A model that
  throws dice shows it, because its chances are known.

  @normal
  Scenario Outline: In the Ollama API <behaviour>
    When an Ollama client tries "<behaviour>"
    Then the contract is kept

    Examples: seeds
      | behaviour                               |
      | a throw of the dice is answered         |
      | the same seed draws the same text again |
      | another seed draws another text         |
      | zero is a seed as well                  |
      | a seed of minus one is none             |
      | a seed draws the same text as a stream  |
      | a chat is the same with the same seed   |
      | a seed holds in the other API           |

    Examples: drawn anew
      | behaviour                                                        |
      | a text at temperature one is drawn anew each time                |
      | a chat at temperature one is drawn anew each time                |
      | a text without any option is drawn anew each time                |
      | the other API draws anew each time when nothing is said about it |

    Examples: temperature
      | behaviour                                                |
      | temperature zero says the likeliest word                 |
      | a low temperature says the likeliest word                |
      | temperature one draws words as often as they are likely  |
      | temperature two draws unlikely words more often          |
      | temperature one half draws the likeliest word more often |
      | a word said forty times is a text like any other         |

    Examples: which words may be drawn
      | behaviour                                                  |
      | a single candidate is the likeliest word                   |
      | two candidates are both said and no other word             |
      | a nucleus of a fifth is the likeliest word alone           |
      | a nucleus of one half has three words                      |
      | words with less than a share of the likeliest are left out |
      | a nucleus holds in the other API                           |

    Examples: penalties and probabilities
      | behaviour                                                              |
      | a repeat penalty divides what a word is worth                          |
      | a repeat penalty looks back as far as it is told                       |
      | a presence penalty tells once said from never said                     |
      | a frequency penalty grows each time a word is said                     |
      | the alternatives of a throw have the logarithms of their probabilities |

    Examples: values beyond their range
      | behaviour                                                |
      | a temperature below zero does no harm                    |
      | a temperature of next to nothing says the likeliest word |
      | a nucleus below zero does no harm                        |
      | a nucleus larger than all does no harm                   |
      | fewer candidates than none do no harm                    |
      | a share above one does no harm                           |
      | a repeat penalty of zero does no harm                    |
