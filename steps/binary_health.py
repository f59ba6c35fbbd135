"""Steps about the program as a command."""

from __future__ import annotations

from behave import then, when

from support.servers import cli_checks
from support.world import StepContext


@when("the operator asks the program {string}")
def ask(context: StepContext, question: str) -> None:
    context.world.call(cli_checks.calls("asking")[question])


@when("the operator calls the program with {string}")
def call(context: StepContext, mistake: str) -> None:
    context.world.call(cli_checks.calls("mistaken")[mistake])


@then("it is a file that may be executed")
def is_executable(context: StepContext) -> None:
    cli_checks.check_file(context.suite.command.path)


@then("it succeeds within {duration}")
def succeeds(context: StepContext, limit: float) -> None:
    cli_checks.check_ended(context.world.completed_command.get(), cli_checks.EXIT_OK, limit)


@then("it is refused as wrong usage within {duration}")
def refused(context: StepContext, limit: float) -> None:
    cli_checks.check_ended(context.world.completed_command.get(), cli_checks.EXIT_USAGE, limit)


@then("it ends with an error within {duration}")
def errs(context: StepContext, limit: float) -> None:
    cli_checks.check_ended(context.world.completed_command.get(), cli_checks.EXIT_ERROR, limit)


@then("it mentions {string}")
def mentions(context: StepContext, words: str) -> None:
    cli_checks.check_mentions(context.world.completed_command.get(), words)


@then("all it says is on the {stream}")
def only_on(context: StepContext, stream: str) -> None:
    cli_checks.check_only_on(context.world.completed_command.get(), stream)


@then("it names the program and a version of three numbers")
def version(context: StepContext) -> None:
    cli_checks.check_version(context.world.completed_command.get(), context.suite.command)


@then("it describes the machine and the outcome of every check")
def diagnosis(context: StepContext) -> None:
    cli_checks.check_diagnosis(context.world.completed_command.get())


@then("every command that it lists explains itself")
def each_explains(context: StepContext) -> None:
    context.world.check_each_command(cli_checks.listed_commands(context.world.completed_command.get()))
