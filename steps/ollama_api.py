"""Steps that compare the server of the Ollama API with a real Ollama."""

from __future__ import annotations

from behave import then, when

from support.errors import CheckFailed
from support.world import StepContext


@when("a user asks the server and a real Ollama {string}")
def ask_both(context: StepContext, question: str) -> None:
    context.world.compare_with_ollama(question)


@then("both answers are equal")
def same_answer(context: StepContext) -> None:
    difference = context.world.difference.get()
    if difference:
        raise CheckFailed(difference)
