@serial @benchmark @needs.command @budget.150s
Feature: Comparison of two servers in alternation
  Who chooses between two servers needs a ratio that holds: the same file and the same prompts for both, in rounds
  there and back. Where they did not do the same work there is no ratio, and none of any size fails a run.

  Background:
    Given mistral.rs with the scripted model

  @normal
  Scenario: Two servers of one program are equally fast
    When a load is sent to mistral.rs and itself with
      | users | requests | prompt words | output tokens |
      | 1     | 6        | 16           | 48            |
    Then the comparison finds "a ratio of 1"

  @normal @slow @needs.ollama
  Scenario: mistral.rs and Ollama do the same work
    When a load is sent to mistral.rs and a real Ollama with
      | users | requests | prompt words | output tokens |
      | 1     | 6        | 16           | 48            |
    Then the comparison finds "the same work"

  @minor @slow @needs.ollama
  Scenario: Both do the same work after a shared prefix
    When a load is sent to mistral.rs and a real Ollama with
      | users | requests | prefix words | prompt words | output tokens |
      | 1     | 6        | 128          | 16           | 48            |
    Then the comparison finds "the same work"

  @normal @slow @needs.second_mistralrs
  Scenario: Two versions of mistral.rs do the same work
    When a load is sent to mistral.rs and another version with
      | users | requests | prompt words | output tokens |
      | 1     | 6        | 16           | 48            |
    Then the comparison finds "the same work"

  @normal @slow @needs.llama_cpp_python
  Scenario: mistral.rs and llama-cpp-python do the same work
    When a load is sent to mistral.rs and llama-cpp-python with
      | users | requests | prompt words | output tokens |
      | 1     | 6        | 16           | 48            |
    Then the comparison finds "the same work"
