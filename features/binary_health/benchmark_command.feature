@needs.command @needs.subcommands @needs.bench
Feature: The benchmark command of mistral.rs
  An operator measures a model without a server. The figures of the table agree with each other.
  In "mistralrs bench MODEL" the word MODEL stands for the options of the scripted model.

  Background:
    Given the binary is an executable file

  @normal @benchmark
  Scenario: The benchmark command measures prefill and decode
    When the operator runs "mistralrs bench --prompt-len 256 --gen-len 64 --iterations 3 MODEL"
    Then the program exits with code 0 within 20 seconds
    And the output is a table of prefill and decode speeds

  @minor
  Scenario: A benchmark of zero iterations is rejected
    When the operator runs "mistralrs bench --iterations 0 MODEL"
    Then the program exits with code 1 within 20 seconds
    And the output contains "--iterations"
