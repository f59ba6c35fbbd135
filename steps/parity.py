"""Steps about several servers or endpoints, concurrent users, faults and third-party clients."""

from __future__ import annotations

from behave import given, then, when

from support.units import request_options
from support.world import DEDICATED_SERVERS, StepContext


@given("a dedicated {dedicated_server}")
def dedicated_server(context: StepContext, description: str) -> None:
    DEDICATED_SERVERS[description](context.world)


@given("the model was unloaded and reloaded")
def unloaded_and_reloaded(context: StepContext) -> None:
    context.world.parity.unload_and_reload()


@when("a user asks {servers} {string}( with)")
def ask(context: StepContext, servers: tuple[str, ...], question: str) -> None:
    context.world.ask_servers(servers, question, request_options(context.table))


@when("{int} users ask {server} concurrently {prompts}, {form}")
def ask_concurrently(context: StepContext, users: int, server: str, prompts: str, form: str) -> None:
    context.world.performance.ask(users, server, prompts, stream=form == "streamed")


@when("{server} receives {mistake} in the format of the {api} API")
def send_malformed(context: StepContext, server: str, mistake: str, api: str) -> None:
    context.world.faults.send_malformed_request(mistake, api, server)


@when("(a )client(s) of {server} {client_action}")
def client_action(context: StepContext, server: str, action: str) -> None:
    context.world.faults.run_clients(action, server)


@when("the model is unloaded through {server}")
def unload(context: StepContext, server: str) -> None:
    context.world.parity.unload(server)


@when("a client reads the model lists of {servers}")
def read_lists(context: StepContext, servers: tuple[str, ...]) -> None:
    context.world.parity.read_lists(servers)


@when("requests generated from the OpenAPI description are sent for {duration}")
def fuzz(context: StepContext, seconds: float) -> None:
    context.world.faults.fuzz(seconds)


@when("a client requests {int} choices in one call")
def request_choices(context: StepContext, choices: int) -> None:
    context.world.faults.request_choices(choices)


@when("{client} runs the task/tests {string} on {server}")
def run_client(context: StepContext, client: str, task: str, server: str) -> None:
    context.world.clients.run(client, task, server)


@then("every streamed answer equals the non-streamed one")
def same_streams(context: StepContext) -> None:
    context.world.parity.answers.get().require_same_streams()


@then("every user gets {user_outcome}")
def user_outcome(context: StepContext, outcome: str) -> None:
    context.world.performance.require(outcome)


@then("both model lists have the same {names}")
def same_lists(context: StepContext, what: str) -> None:
    context.world.parity.listed_models.get().require_same(what)


@then("the server is still running")
def still_running(context: StepContext) -> None:
    context.world.faults.fuzz_report.get().require_alive()


@then("every request is answered within {duration}")
def answered(context: StepContext, limit: float) -> None:
    context.world.faults.fuzz_report.get().require_answered(limit)


@then("no request gets a server error")
def no_server_error(context: StepContext) -> None:
    context.world.faults.fuzz_report.get().require_no_failure()


@then("the request is rejected")
def rejected(context: StepContext) -> None:
    context.world.faults.choices.get().require_refused()


@then("the response is a client error in the format of the {api} API")
def client_error(context: StepContext, api: str) -> None:
    context.world.faults.require_client_errors(api)


@then("the server cancels that generation within {duration}")
def cancelled(context: StepContext, seconds: float) -> None:
    context.world.faults.require_idle(seconds)


@then("{server} lists no loaded model")
def none_loaded(context: StepContext, server: str) -> None:
    context.world.parity.require_none_loaded(server)


@then("the client/suite returns {string}")
def client_returns(context: StepContext, outcome: str) -> None:
    context.world.clients.result.get().require(outcome)
