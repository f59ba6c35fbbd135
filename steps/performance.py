"""Steps about measured loads."""

from __future__ import annotations

from behave import then, when

from support.world import StepContext


@when("a load is sent to {server} with")
def load(context: StepContext, server: str) -> None:
    context.world.performance.measure(server, context.table)


@then("the load meets the service level {string}")
def service_level(context: StepContext, name: str) -> None:
    context.world.performance.require_level(name)
