"""Steps about the Model Context Protocol."""

from __future__ import annotations

from behave import given, then, when

from support.mcp import agent
from support.servers.launch_plans import invalid_mcp_plan
from support.world import StepContext


@given("an MCP server with the scripted model")
def mcp_server(context: StepContext) -> None:
    context.world.mcp.start_mcp_server()


@given("a server configured with the tool server(s) {texts}")
def tool_servers(context: StepContext, names: tuple[str, ...]) -> None:
    context.world.mcp.configure_tool_servers(names)


@given("the tool server {string} is down")
def tool_server_down(context: StepContext, name: str) -> None:
    context.world.mcp.stop_tool_server(name)


@given("an MCP configuration with {}")
def invalid_configuration(context: StepContext, fault: str) -> None:
    world = context.world
    world.plan = invalid_mcp_plan(world.planned, fault, world.folder)


@when("an agent connects with the official SDK")
def connect(context: StepContext) -> None:
    context.world.mcp.connect()


@when("(an )agent(s) ask(s) about {string}( concurrently)")
def ask(context: StepContext, topics: str) -> None:
    context.world.mcp.ask_about(topics)


@when("(an )agent(s) send(s) {texts}")
def send(context: StepContext, messages: tuple[str, ...]) -> None:
    context.world.mcp.send(messages)


@then("the agent sees name and version of the server, and the tool {string} with the parameter {string}")
def sees_tool(context: StepContext, tool: str, parameter: str) -> None:
    server_info = context.world.mcp.server_info.get()
    agent.check_identity(server_info)
    agent.check_tool_offered(server_info, tool, [parameter])


@then("the reply/replies is/are {texts}")
def replies(context: StepContext, expected: tuple[str, ...]) -> None:
    context.world.mcp.check_replies(expected)


@then("the tool {string} was called once with {string}")
def called_once(context: StepContext, tool: str, city: str) -> None:
    context.world.mcp.check_called_once(tool, city)


@then("the tool server {string} received initialize and tools\\/list")
def initialized(context: StepContext, name: str) -> None:
    context.world.mcp.check_handshake(name)
