"""Steps about Aider, the coding assistant."""

from __future__ import annotations

from behave import given, then, when

from support.world import StepContext


@given("the project {string}")
def project(context: StepContext, name: str) -> None:
    context.world.aider.start_project(name)


@given("Aider is connected to {server}")
def connected(context: StepContext, server: str) -> None:
    context.world.aider.connect(server)


@when("Aider is asked {string}( with)")
def ask(context: StepContext, request: str) -> None:
    context.world.aider.ask(request, context.table)


@then("Aider commits a change of {texts}")
def committed(context: StepContext, files: tuple[str, ...]) -> None:
    context.world.aider.require_committed(files)


@then("the tests {texts} of the project pass")
def tests_pass(context: StepContext, names: tuple[str, ...]) -> None:
    context.world.aider.require_tests(names)
