"""Steps about Aider, the coding assistant."""

from __future__ import annotations

from behave import given, then, when

from support.aider.traffic import Traffic
from support.units import request_options
from support.world import StepContext


@given("the project {string}")
def project(context: StepContext, name: str) -> None:
    context.world.aider.start_project(name)


@given("{assistant} is connected to {aider_server}( with)")
def connected(context: StepContext, assistant: str, server: str) -> None:
    context.world.aider.connect(server, context.table, assistant)


@given("the server answers with {server_answer}")
def server_answer(context: StepContext, answer: str) -> None:
    context.world.aider.inject(answer)


@when("{assistant} is asked {string}( with)")
def ask(context: StepContext, assistant: str, request: str) -> None:
    context.world.aider.of(assistant).ask(request, context.table)


@then("{assistant} commits a change of {texts}")
def committed(context: StepContext, assistant: str, files: tuple[str, ...]) -> None:
    context.world.aider.of(assistant).require_committed(files)


@given("the tests {texts} of the project pass")
@then("the tests {texts} of the project pass")
def tests_pass(context: StepContext, names: tuple[str, ...]) -> None:
    context.world.aider.project.require_tests(names)


@then("{assistant} sends/receives {int} {aider_traffic}")
def traffic(context: StepContext, assistant: str, number: int, kind: Traffic) -> None:
    context.world.aider.of(assistant).require_traffic(number, kind)


@then("{assistant} {aider_output} {texts}")
def prints(context: StepContext, assistant: str, output: str, texts: tuple[str, ...]) -> None:
    context.world.aider.of(assistant).runs.get().require_output(texts, expected=output == "prints")


@then("only {texts} is/are changed")
def changed(context: StepContext, files: tuple[str, ...]) -> None:
    context.world.aider.require_changed(files)


@then("the project is unchanged")
def unchanged(context: StepContext) -> None:
    context.world.aider.require_changed(())


@then("Aider adds {int} commit(s)( with)")
def commits(context: StepContext, number: int) -> None:
    context.world.aider.require_commits(number, context.table)


@then("each line has the listed output")
def listed_outputs(context: StepContext) -> None:
    context.world.aider.require_listed_outputs()


@then("{string} has a docstring for each public function, and unchanged code")
def only_docstrings(context: StepContext, file: str) -> None:
    context.world.aider.project.require_only_docstrings(file)


@given("a session of Aider( with)")
def session(context: StepContext) -> None:
    context.world.aider.start_session(context.table)


@when("the developer enters")
def enter(context: StepContext) -> None:
    context.world.aider.enter(context.table)


@then("the model {aider_receipt} {string}")
def received(context: StepContext, receipt: str, text: str) -> None:
    context.world.aider.runs.get().require_received(text, expected=receipt == "receives")


@then("the model reads the whole prompt, or it is rejected for its length")
def whole_prompt(context: StepContext) -> None:
    context.world.aider.require_whole_prompts()


@then("the model stays loaded")
def stays_loaded(context: StepContext) -> None:
    context.world.aider.server.require_no_reload()


@given("the file {string} in {aider_place}")
def configuration_file(context: StepContext, name: str, place: str) -> None:
    context.world.aider.write_file(place, name, context.text)


@given("the variable {string} of {configured_program} is {string}")
def variable(context: StepContext, name: str, program: str, value: str) -> None:
    context.world.aider.set_variable(program, name, value)


@when("Aider {aider_start}( with)")
def start(context: StepContext, how: str) -> None:
    context.world.aider.start(how, context.table)


@then("{assistant} {aider_end}")
def end(context: StepContext, assistant: str, code: int | None) -> None:
    context.world.aider.of(assistant).require_end(code)


@then("each request for a(n) {aider_request} has the fields")
def fields(context: StepContext, kind: str) -> None:
    context.world.aider.runs.get().require_fields(kind, request_options(context.table))


@then("at least {int} exercises are solved")
def solved(context: StepContext, number: int) -> None:
    context.world.aider.exercises.require_solved(number)
