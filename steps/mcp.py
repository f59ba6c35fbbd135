"""Steps about the Model Context Protocol."""

from __future__ import annotations

from behave import given, then, when

from support.chat import checks
from support.mcp import agent, invalid_config, json_rpc
from support.servers import launch_checks
from support.world import StepContext


@given("a server that offers MCP")
def offers_mcp(context: StepContext) -> None:
    context.world.mcp.start_mcp_server()


@given("a server that was told of {string}")
def told_of(context: StepContext, kit: str) -> None:
    context.world.mcp.configure_tool_servers(kit)


@given("the tool server {string} has gone")
def gone(context: StepContext, name: str) -> None:
    context.world.mcp.stop_tool_server(name)


@given("MCP set up with {string}")
def wrongly_set_up(context: StepContext, what: str) -> None:
    world = context.world
    world.plan = invalid_config.with_invalid_config(world.planned, what, world.folder)


@when("an agent comes with the official client")
def come(context: StepContext) -> None:
    context.world.mcp.connect()


@when("an agent asks {string} with the official client")
def ask(context: StepContext, question: str) -> None:
    context.world.mcp.ask(question)


@when("{int} agents ask different questions at the same moment")
def ask_at_once(context: StepContext, agents: int) -> None:
    context.world.mcp.ask_concurrently(agents)


@when("an agent sends {string}")
def send(context: StepContext, message: str) -> None:
    context.world.mcp.send(message)


@then("it learns who the server is")
def introduced(context: StepContext) -> None:
    agent.check_identity(context.world.mcp.server_info.get())


@then("it is offered the tool {string}, which wants {string}")
def offered(context: StepContext, tool: str, argument: str) -> None:
    agent.check_tool_offered(context.world.mcp.server_info.get(), tool, [argument])


@then("every agent has the answer of the script")
def scripted(context: StepContext) -> None:
    mcp = context.world.mcp
    agent.check_answers(mcp.answers.get(), mcp.expected_answers())


@then("the reply is {string}")
def reply_is(context: StepContext, outcome: str) -> None:
    json_rpc.check(context.world.mcp.reply.get(), outcome)


@then("the next agent is served")
def next_agent(context: StepContext) -> None:
    mcp = context.world.mcp
    mcp.send("a question for the tools")
    json_rpc.check(mcp.reply.get(), "a list of tools")


@then("the user is told {string}")
def told(context: StepContext, text: str) -> None:
    checks.check_text(context.world.conversation.answers.get(), text)


@then("the answer came within {duration}")
def came_within(context: StepContext, limit: float) -> None:
    # A tool's own time-out grows with the same factor.
    patience = context.world.suite.settings.seconds(limit)
    checks.check_seconds(context.world.conversation.answers.get(), patience)


@then("the tool {string} was called once for {string}")
def called_once(context: StepContext, tool: str, city: str) -> None:
    context.world.mcp.check_called_once(tool, city)


@then("the tool server {string} was greeted and asked for its tools")
def greeted(context: StepContext, name: str) -> None:
    context.world.mcp.check_handshake(name)


@then("the log tells that a tool server is missing")
def log_tells(context: StepContext) -> None:
    launch_checks.check_log_reports_missing_tool_server(context.world.running)
