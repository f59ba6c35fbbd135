"""Steps that take more than one case of an API's tables, or more than one server."""

from __future__ import annotations

from behave import then, when

from support.world import StepContext


@when("a(n) {api} client goes through {string}")
def go_through(context: StepContext, api: str, title: str) -> None:
    context.world.run_sequence(api, title)


@when("the server and a real Ollama are both asked {string}")
def ask_both(context: StepContext, question: str) -> None:
    context.world.compare_with_ollama(question)


@then("every step is answered as documented")
def as_it_should_be(context: StepContext) -> None:
    context.world.sequence_result.get().require_passed()


@then("both have given the same answer")
def same_answer(context: StepContext) -> None:
    context.world.sequence_result.get().require_passed()
