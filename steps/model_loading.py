"""Steps about starting a server on a model."""

from __future__ import annotations

from behave import given, then, when

from support.chat import checks, conversation
from support.servers import launch_checks, launch_plans
from support.world import StepContext


@given("a model in the {format} format")
def speaking_model(context: StepContext, format_name: str) -> None:
    context.world.plan = launch_plans.LaunchPlan(context.suite.scripted(format_name))


@given("a {format} model with {}")
def broken_model(context: StepContext, format_name: str, fault: str) -> None:
    world = context.world
    world.plan = launch_plans.corrupt_model_plan(format_name, fault, context.suite.models, world.folder)


@given("a model start with {}")
def misplaced_model(context: StepContext, what: str) -> None:
    world = context.world
    world.plan = launch_plans.wrong_path_plan(what, context.suite.models, world.folder)


@given("the model that the operator has chosen")
def own_model(context: StepContext) -> None:
    context.world.plan = launch_plans.user_model_plan(context.suite.settings)


@given("the small trained model SmolLM2")
def trained_model(context: StepContext) -> None:
    context.world.plan = launch_plans.LaunchPlan(launch_plans.arguments_of(context.suite.models.smollm2()))


@given("another program on the port of the server")
def squatted(context: StepContext) -> None:
    context.world.occupy_port()


@given("every way to the network is watched")
def watched(context: StepContext) -> None:
    context.world.watch_network()


@when("the operator starts the server with it")
def start(context: StepContext) -> None:
    context.world.start_server()


@when("the operator asks it {string} on the command line")
def ask_once(context: StepContext, question: str) -> None:
    context.world.prompt_once(question)


@then("the server is ready within {duration}")
def ready(context: StepContext, limit: float) -> None:
    launch_checks.check_ready(context.world.launch_result.get(), limit)


@then("its log tells that the model is loaded")
def log_says_loaded(context: StepContext) -> None:
    launch_checks.check_log_reports_loaded(context.world.running)


@then("it uses less than {size} of memory")
def memory(context: StepContext, limit: int) -> None:
    launch_checks.check_memory(context.world.running, limit)


@then("it answers {string} as its script says")
def answers_as_scripted(context: StepContext, question: str) -> None:
    world = context.world
    world.conversation.ask(question)
    checks.check_text(world.conversation.answers.get(), world.expected_answer())


@then("it answers {string} with a text that mentions {string}")
def answers_sensibly(context: StepContext, question: str, words: str) -> None:
    context.world.conversation.ask(question, conversation.SHORT)
    checks.check_mentions(context.world.conversation.answers.get(), words)


@then("the start is refused within {duration}")
def refused(context: StepContext, limit: float) -> None:
    launch_checks.check_refused(context.world.launch_result.get(), limit)


@then("the error names the problem")
def names_problem(context: StepContext) -> None:
    launch_checks.check_error_mentions(
        context.world.launch_result.get(), context.world.planned.expected_words
    )


@then("nothing was asked of the network")
def network_untouched(context: StepContext) -> None:
    context.world.network.check_no_attempts()


@then("something was asked of the network")
def network_touched(context: StepContext) -> None:
    context.world.network.check_attempted()
