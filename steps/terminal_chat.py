"""Steps about the chat in a terminal."""

from __future__ import annotations

from behave import given, then, when

from support.servers.cli_checks import EXIT_OK
from support.terminal import checks
from support.world import StepContext


@given("a chat in the terminal")
def chat(context: StepContext) -> None:
    context.world.terminal.start()


@given("a chat with it in the terminal")
def chat_with_planned(context: StepContext) -> None:
    context.world.terminal.start(context.world.planned.model)


@given("a chat with a model that remembers little")
def forgetful_chat(context: StepContext) -> None:
    context.world.terminal.start_with_small_context()


@given("a chat with a model that says control codes")
def hostile_chat(context: StepContext) -> None:
    context.world.terminal.start_with_control_codes()


@given("a chat in a tmux window")
def chat_in_window(context: StepContext) -> None:
    context.world.terminal.open_window()


@given("{string} was typed")
def was_typed(context: StepContext, text: str) -> None:
    context.world.terminal.chat.send_line(text)


@given("the endless answer to {string} was stopped with Ctrl-C")
def was_stopped(context: StepContext, text: str) -> None:
    context.world.terminal.stop_answer(text)


@when("{string} is typed")
def type_line(context: StepContext, text: str) -> None:
    context.world.terminal.send_line(text)


@when("{string} is typed and its answer begins")
def begin_answer(context: StepContext, text: str) -> None:
    context.world.terminal.begin_answer(text)


@when("a line of {int} characters with {string} at its end is typed")
def type_long_line(context: StepContext, length: int, words: str) -> None:
    context.world.terminal.send_long_line(length, words)


@when("these lines are typed at once")
def type_at_once(context: StepContext) -> None:
    context.world.terminal.send_lines(context.text.splitlines())


@when("this text is pasted")
def paste(context: StepContext) -> None:
    context.world.terminal.paste(context.text)


@when("{string} is written")
def write(context: StepContext, text: str) -> None:
    context.world.terminal.chat.write(text)


@when("{key} is pressed")
def press(context: StepContext, key: str) -> None:
    context.world.terminal.press(key)


@when("{key} is pressed {int} times")
def press_often(context: StepContext, key: str, times: int) -> None:
    context.world.terminal.press(key, times)


@when("the operator starts a chat with it")
def start_refused(context: StepContext) -> None:
    context.world.start_chat()


@when("the operator asks {string} in the terminal without a chat")
def ask_once(context: StepContext, question: str) -> None:
    context.world.terminal.ask_once(question)


@when("these questions come from {source}")
def feed(context: StepContext, source: str) -> None:
    context.world.chat_from_input(context.text, source)


@then("the terminal gets what the script says")
def is_scripted(context: StepContext) -> None:
    terminal = context.world.terminal
    checks.check_answer(terminal.turns.get(), terminal.expected_answer())


@then("the terminal gets {string}")
def is_told(context: StepContext, words: str) -> None:
    checks.check_output_contains(context.world.terminal.turns.get(), words)


@then("the terminal does not get {string}")
def is_not_told(context: StepContext, words: str) -> None:
    checks.check_output_lacks(context.world.terminal.turns.get(), words)


@then("the screen shows {string}")
def shows(context: StepContext, words: str) -> None:
    checks.check_screen_contains(context.world.terminal.chat, words)


@then("the terminal tells that the answer was cut")
def tells_cut(context: StepContext) -> None:
    checks.check_truncation_shown(context.world.terminal.turns.get())


@then("the line was {string}")
def line_was(context: StepContext, text: str) -> None:
    checks.check_line(context.world.terminal.turns.get(), text)


@then("it came in at least {int} pieces")
def pieces(context: StepContext, least: int) -> None:
    checks.check_chunks(context.world.terminal.turns.get(), least)


@then("its control codes do not reach the terminal")
def is_harmless(context: StepContext) -> None:
    checks.check_no_control_codes(context.world.terminal.turns.get())


@then("the statistics count what the tokenizer counts")
def counts(context: StepContext) -> None:
    terminal = context.world.terminal
    checks.check_stats(terminal.turns.get(), *terminal.expected_token_counts())


@then("the chat waits for the next line")
def is_prompted(context: StepContext) -> None:
    checks.check_prompted(context.world.terminal.prompting())


@then("the chat ends well within {duration}")
def ends(context: StepContext, limit: float) -> None:
    checks.check_ended(context.world.terminal.end(), EXIT_OK, limit)


@then("the terminal is as it was")
def is_sane(context: StepContext) -> None:
    checks.check_restored(context.world.terminal.after_exit())
