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


@given("the server answers with {server_failure}")
def server_failure(context: StepContext, failure: str) -> None:
    context.world.aider.inject(failure)


@when("Aider is asked {string}( with)")
def ask(context: StepContext, request: str) -> None:
    context.world.aider.ask(request, context.table)


@then("Aider commits a change of {texts}")
def committed(context: StepContext, files: tuple[str, ...]) -> None:
    context.world.aider.require_committed(files)


@given("the tests {texts} of the project pass")
@then("the tests {texts} of the project pass")
def tests_pass(context: StepContext, names: tuple[str, ...]) -> None:
    context.world.aider.require_tests(names)


@then("Aider sends {int} request(s) for a(n) {aider_request}")
def requests(context: StepContext, number: int, kind: str) -> None:
    context.world.aider.require_requests(number, kind)


@then("every public function of {string} has a docstring")
def documented(context: StepContext, file: str) -> None:
    context.world.aider.require_docstrings(file)


@then("the code of {string} is unchanged")
def code_unchanged(context: StepContext, file: str) -> None:
    context.world.aider.require_same_code(file)


@then("Aider prints {texts}")
def prints(context: StepContext, texts: tuple[str, ...]) -> None:
    context.world.aider.require_output(texts)


@then("only {texts} is/are changed")
def changed(context: StepContext, files: tuple[str, ...]) -> None:
    context.world.aider.require_changed(files)


@then("the project is unchanged")
def unchanged(context: StepContext) -> None:
    context.world.aider.require_changed(())


@then("Aider makes no commit")
def no_commit(context: StepContext) -> None:
    context.world.aider.require_commits(0)
