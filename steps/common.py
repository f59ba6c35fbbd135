"""Steps that several capabilities share: the servers under test, and checks of what was produced."""

from __future__ import annotations

from behave import given, then

from support.chat import checks
from support.results.scenario_result import EQUAL_PARTS
from support.world import StepContext


@given("{servers} with {model}")
def server_with_model(context: StepContext, servers: str, model: str) -> None:
    context.world.require_model(servers, model)


@then("the/every answer matches the script")
def matches_script(context: StepContext) -> None:
    context.world.result.require_scripted()


@then("the output/answer contains {texts}")
def contains(context: StepContext, texts: tuple[str, ...]) -> None:
    context.world.result.require_contains_all(texts)


@then("all {equal_parts} are equal")
def equal(context: StepContext, parts: str) -> None:
    EQUAL_PARTS[parts](context.world.result)


@then("every answer finishes with {string}")
def finish_reason(context: StepContext, reason: str) -> None:
    context.world.result.require_finish_reason(reason)


@then("every answer arrives within {duration}")
def timely(context: StepContext, limit: float) -> None:
    context.world.result.require_timely(limit)


@then("the answer arrives in at least {int} chunks")
def in_chunks(context: StepContext, least: int) -> None:
    context.world.result.require_chunks(least)


@then("the token counts match the tokenizer")
def tokenizer_counts(context: StepContext) -> None:
    context.world.result.require_token_counts()


@then("the prompt of {asked} has {comparison} that of {asked}")
def prompt_length(context: StepContext, first: str, comparison: str, second: str) -> None:
    checks.compare_prompts(context.world.result, first, comparison, second)


@then("the program exits with code {int} within {duration}")
def exits(context: StepContext, exit_code: int, limit: float) -> None:
    context.world.result.require_exit(exit_code, limit)
