"""Steps about the OpenAI API."""

from __future__ import annotations

from behave import given, then, when

from support.chat import checks, conversation
from support.units import request_options
from support.world import StepContext


@given("the system message {string}")
def system_message(context: StepContext, text: str) -> None:
    context.world.conversation.system(text)


@given("a user has said {string}")
def has_said(context: StepContext, text: str) -> None:
    context.world.conversation.add_turn(text)


@given("a new conversation begins")
def forget(context: StepContext) -> None:
    context.world.conversation.reset()


@when("a user asks {string}")
def ask(context: StepContext, question: str) -> None:
    context.world.conversation.ask(question)


@when("a user asks {string} with")
def ask_with(context: StepContext, question: str) -> None:
    context.world.conversation.ask(question, request_options(context.table))


@when("a user asks {string} {int} times")
def ask_often(context: StepContext, question: str, times: int) -> None:
    context.world.conversation.ask(question, times=times)


@when("another user asks the same as a stream")
def ask_streamed(context: StepContext) -> None:
    context.world.conversation.repeat_streamed()


@when("a client has a text about {string} continued")
def continue_text(context: StepContext, topic: str) -> None:
    world = context.world
    world.conversation.continue_text(context.suite.prompt(topic), topic)


@when("a client has a text about {string} continued with")
def continue_text_with(context: StepContext, topic: str) -> None:
    world = context.world
    world.conversation.continue_text(context.suite.prompt(topic), topic, request_options(context.table))


@when("a client lists the models")
def list_models(context: StepContext) -> None:
    context.world.models.set(context.world.api.models())


@when("a(n) {api} client tries {string}")
def try_case(context: StepContext, api: str, behaviour: str) -> None:
    context.world.run_case(api, behaviour)


@when("the official {api} client wants to {string}")
def official(context: StepContext, api: str, journey: str) -> None:
    context.world.run_sdk_task(api, journey)


@then("the client gets it in the form that it reads")
def arrived(context: StepContext) -> None:
    context.world.task_result.get().require_expected()


@then("the contract is kept")
def contract_kept(context: StepContext) -> None:
    context.world.case_result.get().require_passed()


@then("the list is well-formed and has no name twice")
def models_well_formed(context: StepContext) -> None:
    context.world.check_list()


@then("every listed model answers with one token")
def models_answer(context: StepContext) -> None:
    context.world.query_every_model()


@then("the answer is what the script says")
def is_scripted(context: StepContext) -> None:
    world = context.world
    checks.check_text(world.conversation.answers.get(), world.expected_answer())


@then("the answer is what the script says up to {string}")
def is_scripted_up_to(context: StepContext, cut: str) -> None:
    world = context.world
    checks.check_text(world.conversation.answers.get(), world.expected_answer().partition(cut)[0])


@then("the answer ends with reason {string}")
def finish(context: StepContext, reason: str) -> None:
    checks.check_finish([context.world.conversation.answers.get()], reason)


@then("all answers end with reason {string}")
def all_finish(context: StepContext, reason: str) -> None:
    checks.check_finish(context.world.conversation.answers.all(), reason)


@then("the answer has {int} token(s)")
def length(context: StepContext, tokens: int) -> None:
    checks.check_length(context.world.conversation.answers.get(), tokens)


@then("all answers are the same")
def same_text(context: StepContext) -> None:
    checks.check_same_text(context.world.conversation.answers.all())


@then("all token counts are the same")
def same_counts(context: StepContext) -> None:
    checks.check_same_counts(context.world.conversation.answers.all())


@then("its token counts add up")
def adds_up(context: StepContext) -> None:
    checks.check_counts_positive(context.world.conversation.answers.get())


@then("its token counts are those of the tokenizer")
def counts(context: StepContext) -> None:
    world = context.world
    checks.check_counts(world.conversation.answers.get(), *world.expected_token_counts())


@then("the second question counted more tokens than the first")
def grew(context: StepContext) -> None:
    checks.check_prompt_grew(context.world.conversation.answers.all())


@then("the answer came in at least {int} pieces")
def pieces(context: StepContext, least: int) -> None:
    checks.check_chunks(context.world.conversation.answers.get(), least)


@then("its first piece comes before half of its time in one of {int} tries")
def early(context: StepContext, tries: int) -> None:
    checks.check_first_chunk_early(context.world.conversation.repeat_until(tries))


@then("a good request is served")
def served_afterwards(context: StepContext) -> None:
    context.world.conversation.ask("Tell me about the comet", conversation.SHORT)
    checks.check_mentions(context.world.conversation.answers.get(), "")
