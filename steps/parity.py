"""Steps about the same thing asked over several routes."""

from __future__ import annotations

from behave import given, then, when

from support.chat.scenario_servers import DISCONNECTING, UNLOADING
from support.units import request_options
from support.world import StepContext


@given("a server of its own")
def own_server(context: StepContext) -> None:
    context.world.servers.start_dedicated()


@given("a server of its own that takes {int} request at a time")
def narrow_server(context: StepContext, requests: int) -> None:
    context.world.servers.start_dedicated(max_seqs=requests)


@given("a server that can talk for long, with a gateway before it")
def talkative_stack(context: StepContext) -> None:
    context.world.servers.share(DISCONNECTING)


@given("a server whose model may be unloaded, with a gateway before it")
def unloading_stack(context: StepContext) -> None:
    context.world.servers.share(UNLOADING)


@when("every route is asked {string}")
def ask_every_route(context: StepContext, question: str) -> None:
    context.world.parity.ask_every_endpoint(context.world.conversation.messages, question)


@when("every route is asked {string} with")
def ask_every_route_with(context: StepContext, question: str) -> None:
    options = request_options(context.table)
    context.world.parity.ask_every_endpoint(context.world.conversation.messages, question, options)


@when("mistral.rs and the gateway are asked {string} with")
def ask_stack(context: StepContext, question: str) -> None:
    options = request_options(context.table)
    context.world.parity.ask_target_and_gateway(context.world.conversation.messages, question, options)


@when("{int} users at once ask {server}, each about something else, for {form}")
def crowd(context: StepContext, users: int, server: str, form: str) -> None:
    context.world.performance.ask_concurrently(users, server, stream=form == "a stream")


@when("{int} users at once ask {server}, each a question of another length, for {form}")
def crowd_of_lengths(context: StepContext, users: int, server: str, form: str) -> None:
    context.world.performance.ask_lengths_concurrently(users, server, stream=form == "a stream")


@when("{server} is sent {string} in the form of {api}'s API")
def send_mistake(context: StepContext, server: str, mistake: str, api: str) -> None:
    context.world.faults.send_malformed_request(mistake, api, server)


@when("a client of {server} leaves half-way through {form}")
def leave(context: StepContext, server: str, form: str) -> None:
    context.world.faults.disconnect(server, stream=form == "a stream")


@when("clients of {server} leave while another one reads a stream")
def leave_beside(context: StepContext, server: str) -> None:
    context.world.faults.disconnect_beside_stream(server)


@when("a client of {server} does not read on while {int} others ask")
def slow_reader(context: StepContext, server: str, users: int) -> None:
    context.world.faults.ask_beside_slow_reader(server, users)


@when("the model is unloaded through {server}")
def unload(context: StepContext, server: str) -> None:
    context.world.parity.unload(server)


@when("the model is unloaded and loaded again")
def unload_and_reload(context: StepContext) -> None:
    context.world.parity.unload_and_reload()


@when("the lists of models of {servers} are read")
def read_lists(context: StepContext, servers: tuple[str, ...]) -> None:
    context.world.parity.read_lists(" and ".join(servers))


@when("requests are made up from the server's own description for {duration}")
def fuzz(context: StepContext, seconds: float) -> None:
    context.world.faults.fuzz(seconds)


@when("a client wishes for a million million answers at once")
def wish(context: StepContext) -> None:
    context.world.faults.request_too_many_choices()


@when("a user of Ollama's own command wants to {string} on {server}")
def type_command(context: StepContext, errand: str, server: str) -> None:
    context.world.clients.run_ollama_command(errand, server)


@when("a program built on LangChain wants to {string} on {server}")
def use_adapter(context: StepContext, journey: str, server: str) -> None:
    context.world.clients.run_langchain(journey, server)


@when("SmolLM2 is asked {string} on mistral.rs and on a real Ollama")
def ask_trained(context: StepContext, question: str) -> None:
    context.world.parity.ask_trained(context.world.conversation.messages, question)


@then("every route has given the same answer")
def same_answer(context: StepContext) -> None:
    context.world.parity.answers.get().require_same_text()


@then("it is what the script says")
def scripted(context: StepContext) -> None:
    context.world.parity.require_scripted()


@then("all of them ended by {string}")
def ended_by(context: StepContext, reason: str) -> None:
    context.world.parity.answers.get().require_finish_reason(reason)


@then("every route has counted the same tokens")
def same_counts(context: StepContext) -> None:
    context.world.parity.answers.get().require_same_counts()


@then("every stream has said what the whole answer did")
def same_streams(context: StepContext) -> None:
    context.world.parity.answers.get().require_same_streams()


@then("everybody has got the answer to their own question")
def own_answers(context: StepContext) -> None:
    context.world.performance.answers.get().require_own_answers()


@then("everybody has got the right answer, or is told that the server is busy")
def served_or_busy(context: StepContext) -> None:
    context.world.performance.overload.get().require_served_or_busy()


@then("the stream of the other one comes to its proper end")
def whole_stream(context: StepContext) -> None:
    context.world.faults.require_stream_complete()


@then("every name of the model is answered as before")
def every_name(context: StepContext) -> None:
    context.world.parity.name_answers.get().require_all_answered()


@then("both lists give the same {names}")
def same_lists(context: StepContext, what: str) -> None:
    context.world.parity.listed_models.get().require_same(what)


@then("the server is still there")
def still_there(context: StepContext) -> None:
    context.world.faults.fuzz_report.get().require_alive()


@then("each of them was answered within 10 seconds")
def answered(context: StepContext) -> None:
    context.world.faults.fuzz_report.get().require_answered()


@then("none of them was answered as a failure of the server")
def no_failure(context: StepContext) -> None:
    context.world.faults.fuzz_report.get().require_no_failure()


@then("the wish is refused")
def wish_refused(context: StepContext) -> None:
    context.world.faults.choices.get().require_refused()


@then("the mistake is refused in the form of {api}'s API, as the client's")
def refused(context: StepContext, api: str) -> None:
    context.world.faults.refusals.get().require_client_errors(api)


@then("the server stops its work for that client within {duration}")
def stopped(context: StepContext, seconds: float) -> None:
    context.world.faults.require_idle(seconds)


@then("all {int} others have the right answer within {duration}")
def others_answered(context: StepContext, users: int, seconds: float) -> None:
    context.world.faults.require_timely(users, seconds)


@then("{server} tells of no loaded model")
def none_loaded(context: StepContext, server: str) -> None:
    context.world.parity.require_none_loaded(server)


@then("the user gets {string}")
def brought(context: StepContext, outcome: str) -> None:
    context.world.clients.result.get().require(outcome)


@then("the prompt that mistral.rs has counted is {length} Ollama's")
def compare_prompts(context: StepContext, comparison: str) -> None:
    context.world.parity.require_prompt_tokens(same=comparison == "as long as")
