@needs.speaking
Feature: Answers take the wanted form
  A program that reads answers cannot cope with prose. A schema or a grammar has to bind the model, whatever
  it would rather have said.

  @critical
  Scenario Outline: In the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: schemas and plain text
      | behaviour                                        |
      | a schema of two words gives one of them          |
      | a schema of an object gives that object          |
      | a schema holds in a stream as well               |
      | an answer that fulfils its schema ends by itself |
      | an object of any kind can be asked for           |
      | plain text can be asked for by name              |

    Examples: grammars
      | behaviour                                  |
      | a regular expression is matched as a whole |
      | a Lark grammar is kept                     |
      | a schema as a grammar is kept              |

    Examples: forms that cannot be
      | behaviour                               |
      | a broken regular expression is refused  |
      | a grammar of an unknown kind is refused |
      | a schema without its body is refused    |
      | a grammar beside a schema is refused    |
