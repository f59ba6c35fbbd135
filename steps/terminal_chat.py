"""Steps about the chat in a terminal."""

from __future__ import annotations

from behave import given, then, when

from support.units import repeated_keys
from support.world import StepContext


@given("a terminal chat")
def chat(context: StepContext) -> None:
    context.world.terminal.start()


@given("a terminal chat {chat_setup}")
def chat_with(context: StepContext, setup: str) -> None:
    context.world.terminal.start_with(setup, lambda: context.world.planned.model)


@given("the line {string} was typed")
def was_typed(context: StepContext, text: str) -> None:
    context.world.terminal.chat.send_line(text)


@given("the answer to {string} was interrupted with Ctrl-C")
def was_interrupted(context: StepContext, text: str) -> None:
    context.world.terminal.interrupt_answer(text)


@when("the line {string} is typed")
def type_line(context: StepContext, text: str) -> None:
    context.world.terminal.send_line(text)


@when("these lines are typed one after another")
def type_each(context: StepContext) -> None:
    context.world.terminal.send_each(context.table)


@when("a line of {int} characters ending in {string} is typed")
def type_long_line(context: StepContext, length: int, words: str) -> None:
    context.world.terminal.send_long_line(length, words)


@when("these lines are typed at once, and then {string}")
def type_at_once(context: StepContext, last: str) -> None:
    context.world.terminal.send_lines(context.text.splitlines(), last)


@when("this text is pasted")
def paste(context: StepContext) -> None:
    context.world.terminal.paste(context.text)


@when("these keys are pressed")
def press(context: StepContext) -> None:
    context.world.terminal.press_keys(repeated_keys(context.table))


@when("the answer to {string} is interrupted with Ctrl-C")
def interrupt(context: StepContext, text: str) -> None:
    terminal = context.world.terminal
    terminal.turns.add(terminal.interrupt_answer(text))


@when("a chat reads these lines from {source}")
def read_lines(context: StepContext, source: str) -> None:
    world = context.world
    arguments = context.suite.command.command_line.chat(world.planned.model)
    world.program.completed.set(world.terminal.chat_from_input(arguments, context.text, source))


@then("the output does not contain {string}")
def lacks(context: StepContext, words: str) -> None:
    context.world.terminal.require_lacks(words)


@then("each line has the output given for it")
def has_given_outputs(context: StepContext) -> None:
    context.world.terminal.require_given_outputs()


@then("the screen shows {screen_content}")
def shows(context: StepContext, content: str) -> None:
    context.world.terminal.require_shown(content)


@then("the submitted line is {string}")
def line_is(context: StepContext, text: str) -> None:
    context.world.terminal.require_line(text)


@then("no answer contains control codes")
def are_harmless(context: StepContext) -> None:
    context.world.terminal.require_no_control_codes()


@then("the chat shows a new prompt")
def prompted(context: StepContext) -> None:
    context.world.terminal.require_prompt()


@then("the terminal is restored")
def is_restored(context: StepContext) -> None:
    context.world.terminal.require_restored()
