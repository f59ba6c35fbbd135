"""Steps that take more than one case of an API's tables, or more than one server."""

from __future__ import annotations

from behave import then, when

from support.world import StepContext


@when("a(n) {api} client goes through {string}")
def go_through(context: StepContext, api: str, title: str) -> None:
    context.world.go_through(api, title)


@when("the server and a real Ollama are both asked {string}")
def ask_both(context: StepContext, question: str) -> None:
    context.world.ask_both(question)


@then("every step is answered as documented")
def as_it_should_be(context: StepContext) -> None:
    context.world.walked.get().require_kept()


@then("both have given the same answer")
def same_answer(context: StepContext) -> None:
    context.world.walked.get().require_kept()
