Feature: A refusal is explained in the OpenAI form
  A client library shows its user the message of an error object. Where it finds none, it shows nothing,
  or a text that nobody understands.

  @normal
  Scenario Outline: In the OpenAI API <behaviour>
    When an OpenAI client tries "<behaviour>"
    Then the contract is kept

    Examples: what was wrong with the fields
      | behaviour                                     |
      | the refusal of an unknown model names it      |
      | the refusal of broken JSON speaks of JSON     |
      | the refusal of a missing field names it       |
      | the refusal of a wrong type names the field   |
      | the refusal of no choice at all is explained  |
      | the refusal of a broken grammar is explained  |
      | the refusal of too long a prompt is explained |

    Examples: what was wrong with the request
      | behaviour                                        |
      | the refusal of a missing media type is explained |
      | the refusal of an unknown address is explained   |
      | the refusal of a wrong method is explained       |
