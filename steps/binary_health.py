"""Steps about the program on the command line."""

from __future__ import annotations

from behave import given, then, when

from support.servers import cli_checks
from support.world import StepContext


@given("the binary is an executable file")
def is_executable(context: StepContext) -> None:
    cli_checks.check_file(context.suite.command.path)


@when("the operator runs {string}")
def run(context: StepContext, command_line: str) -> None:
    suite = context.suite
    arguments = cli_checks.arguments_of(command_line, suite.models)
    context.world.program.run(suite.command, arguments, suite.settings)


@then("all output is on {stream}")
def only_on(context: StepContext, stream: str) -> None:
    cli_checks.check_only_on(context.world.program.completed.get(), stream)


@then("the output is {output_form}")
def has_form(context: StepContext, form: str) -> None:
    cli_checks.OUTPUT_FORMS[form](context.world.program.completed.get(), context.suite.command)
