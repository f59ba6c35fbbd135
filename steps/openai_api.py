"""Steps about the OpenAI API."""

from __future__ import annotations

from behave import given, then, when

from support.chat import checks
from support.units import request_options
from support.world import StepContext


@given("the system message {string}")
def system_message(context: StepContext, text: str) -> None:
    context.world.conversation.system(text)


@given("a user has said {string}")
def has_said(context: StepContext, text: str) -> None:
    context.world.conversation.add_turn(text)


@given("a new conversation was started")
def new_conversation(context: StepContext) -> None:
    context.world.conversation.reset()


@when("a {request} {string}( with)")
def ask(context: StepContext, request: str, question: str) -> None:
    context.world.conversation.send(request, question, request_options(context.table))


@when("a {request} {string} {int} times( with)")
def ask_often(context: StepContext, request: str, question: str, times: int) -> None:
    context.world.conversation.send(request, question, request_options(context.table), times)


@when("a {request} {string} until a first chunk arrives early, for at most {int} second(s)(, with)")
def ask_until_early(context: StepContext, request: str, question: str, limit: float) -> None:
    context.world.conversation.send_until_early(request, question, request_options(context.table), limit)


@when("a {request} {string}, non-streamed and streamed(, with)")
def ask_both(context: StepContext, request: str, question: str) -> None:
    context.world.conversation.send_both(request, question, request_options(context.table))


@when("a client reads the model list")
def list_models(context: StepContext) -> None:
    context.world.models.set(context.world.api().models())


@when("the official {api} client runs the task {string}")
def run_official_client(context: StepContext, api: str, task: str) -> None:
    context.world.run_sdk_task(api, task)


@then("the client returns the expected value")
def returns_expected(context: StepContext) -> None:
    context.world.task_result.get().require_expected()


@then("the model list is valid and has no duplicates")
def models_well_formed(context: StepContext) -> None:
    context.world.check_list()


@then("the answer is {string}")
def answer_is(context: StepContext, text: str) -> None:
    checks.check_text(context.world.conversation.answers.get(), text)


@then("the answer matches the script up to {string}")
def matches_script_up_to(context: StepContext, cut: str) -> None:
    conversation = context.world.conversation
    checks.check_text(conversation.answers.get(), conversation.expected_answer().partition(cut)[0])


@then("the answer is complete")
def complete(context: StepContext) -> None:
    context.world.result.require_complete()


@then("every answer has {int} token(s)")
def length(context: StepContext, tokens: int) -> None:
    checks.check_length(context.world.conversation.answers.all(), tokens)


@then("the token counts are positive and add up")
def positive_counts(context: StepContext) -> None:
    checks.check_counts_positive(context.world.conversation.answers.get())


@then("at least one first chunk arrives in the first half of its response time")
def early(context: StepContext) -> None:
    checks.check_first_chunk_early(context.world.conversation.answers.all())
