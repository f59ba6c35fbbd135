"""Steps about measured loads."""

from __future__ import annotations

from behave import then, when

from support.world import StepContext


@when("a load is sent to {servers} with")
def load(context: StepContext, servers: tuple[str, ...]) -> None:
    context.world.performance.measure(servers, context.table)


@then("the load meets the service level {string}")
def service_level(context: StepContext, name: str) -> None:
    context.world.performance.require_level(name)


@then("the comparison finds {string}")
def comparison(context: StepContext, expected: str) -> None:
    context.world.performance.require_comparison(expected)
