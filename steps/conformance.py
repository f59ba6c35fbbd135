"""Steps that run the cases of an API, group by group."""

from __future__ import annotations

from behave import then, when

from support.world import StepContext


@when("the {string} cases of the {api} API are run")
def run_group(context: StepContext, group: str, api: str) -> None:
    context.world.conformance.run_group(api.lower(), group)


@then("every case conforms")
def require_conforming(context: StepContext) -> None:
    context.world.conformance.require_conforming()
