"""Steps about starting a server on a model."""

from __future__ import annotations

from behave import given, then, when

from support.chat.conversation import CHAT
from support.servers import launch_checks, launch_plans
from support.units import request_options
from support.world import StepContext


@given("a model in the {format} format")
def scripted_model(context: StepContext, format_name: str) -> None:
    context.world.plan = launch_plans.LaunchPlan(context.suite.scripted(format_name))


@given("a {format} model with {}")
def corrupt_model(context: StepContext, format_name: str, fault: str) -> None:
    world = context.world
    world.plan = launch_plans.corrupt_model_plan(format_name, fault, world.folder)


@given("a model path to {}")
def wrong_path(context: StepContext, what: str) -> None:
    world = context.world
    world.plan = launch_plans.wrong_path_plan(what, context.suite.models, world.folder)


@given("the trained model {trained_model}")
def trained_model(context: StepContext, name: str) -> None:
    suite = context.suite
    context.world.plan = launch_plans.trained_model_plan(name, suite.settings)


@given("another program is listening on the server's port")
def port_in_use(context: StepContext) -> None:
    context.world.occupy_port()


@given("outgoing network access is monitored")
def monitored(context: StepContext) -> None:
    context.world.watch_network()


@when("the operator starts the server")
def start(context: StepContext) -> None:
    context.world.start_server()


@when("the operator starts the server and asks {string}( with)")
def start_and_ask(context: StepContext, question: str) -> None:
    world = context.world
    world.start_server()
    if world.server is not None:
        world.conversation.send(CHAT, question, request_options(context.table))


@when("the operator starts a terminal chat")
def start_chat(context: StepContext) -> None:
    world = context.world
    world.launch_result.set(world.terminal.try_start(world.planned.model))


@when("the operator runs the one-shot prompt {string} {place}")
def prompt_once(context: StepContext, question: str, place: str) -> None:
    context.world.prompt_once(question, terminal=place == "in a terminal")


@then("the server is ready within {duration}")
def ready(context: StepContext, limit: float) -> None:
    launch_checks.check_ready(context.world.launch_result.get(), limit)


@then("the server log reports {event}")
def log_reports(context: StepContext, event: str) -> None:
    launch_checks.LOG_EVENTS[event](context.world.running)


@then("the server uses less than {size} of memory")
def memory(context: StepContext, limit: int) -> None:
    launch_checks.check_memory(context.world.running, limit)


@then("the error names the problem")
def names_problem(context: StepContext) -> None:
    world = context.world
    launch_checks.check_error_mentions(world.launch_result.get(), world.planned.expected_words)


@then("{any_or_no} outgoing connection was attempted")
def network_access(context: StepContext, expected: str) -> None:
    context.world.network.check_attempts(expected=expected == "an")
