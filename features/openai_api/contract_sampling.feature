@needs.speaking @needs.command
Feature: Words are drawn as the request says
  A chance that nobody can rely on is worth nothing: the seed, the temperature, penalties and biases have to do
  what they promise. A model that throws dice shows it, because its chances are known.

  @normal
  Scenario Outline: In the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: seeds
      | behaviour                                            |
      | a throw of the dice is answered                      |
      | the same seed draws the same answer again            |
      | another seed draws another answer                    |
      | a seed of zero is a seed                             |
      | a seed draws the same in a stream                    |
      | several choices of one seed differ from each other   |
      | several choices of one seed are drawn the same again |
      | a continued text is the same with the same seed      |

    Examples: drawn anew
      | behaviour                                               |
      | an answer at temperature one is drawn anew each time    |
      | an answer without a temperature is drawn anew each time |
      | a stream at temperature one is drawn anew each time     |
      | a continued text is drawn anew each time                |
      | several choices of one question differ from each other  |

    Examples: temperature
      | behaviour                                                   |
      | at temperature zero the likeliest word is said              |
      | at a low temperature the likeliest word is said             |
      | at temperature one words come as often as they are likely   |
      | at temperature two unlikely words come more often           |
      | at temperature one half the likeliest word comes more often |
      | a word said forty times in a row is an answer               |

    Examples: which words may be drawn
      | behaviour                                                     |
      | of one candidate the likeliest word is said                   |
      | of two candidates both are said and no other word             |
      | a nucleus of a fifth is the likeliest word                    |
      | a nucleus of one half is three words                          |
      | words that are too unlikely beside the likeliest are left out |
      | unlikely words are left out beside a nucleus as well          |

    Examples: penalties and biases
      | behaviour                                                |
      | a frequency penalty punishes a word each time it is said |
      | a presence penalty punishes a word once                  |
      | a repetition penalty divides what a word is worth        |
      | penalties hold in a stream as well                       |
      | a continued text is punished for what it repeats         |
      | a word with a bias of minus hundred is never drawn       |
      | a word with a bias of hundred is always drawn            |
      | a bias is added to what a word is worth                  |

    Examples: probabilities
      | behaviour                                                              |
      | alternatives come with the natural logarithms of their probabilities   |
      | the likeliest word comes with the natural logarithm of its probability |

    Examples: values beyond their range
      | behaviour                                             |
      | a nucleus below zero is refused                       |
      | a presence penalty out of its range is refused        |
      | a bias out of its range is refused                    |
      | more choices than a server has room for do no harm    |
      | a temperature of next to nothing is none              |
      | a repetition penalty of zero does no harm             |
      | more candidates than the vocabulary has are all of it |
