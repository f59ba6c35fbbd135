"""The suite's own tool server as a process, and the official client that asks it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp.types import Tool

from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.mcp import tool_server
from support.mcp.agent import AgentFailed, Agents, ServerInfo, check_identity, check_tool_offered
from support.mcp.tool_server import ToolServer
from support.mcp.tool_servers import MISSING, SESSIONS, STDIO
from support.programs.process import managed_pids
from support.waiting import WaitTimeout
from tests.http.tiny_server import TinyServer, json_reply, silence
from tests.timeouts import PATIENCE

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToolServer]:
    server = ToolServer(tmp_path_factory.mktemp("tools"))
    yield server
    server.process.stop()


def url_of(tools: ToolServer, name: str) -> str:
    source = json.loads(tools.configuration([name]).read_text())["servers"][0]["source"]
    assert source["type"] == "Http"
    return str(source["url"])


@pytest.mark.parametrize("name", SESSIONS)
def test_the_official_client_finds_the_tools_of_each(tools: ToolServer, name: str) -> None:
    exchanges: list[Exchange] = []
    visit = Agents(url_of(tools, name), exchanges, timeout=PATIENCE).server_info()
    assert [offer.name for offer in visit.tools] == ["forecast", "archive", "queue"]
    assert visit.server == name
    check_identity(visit)


def test_what_a_server_takes_is_written_down(tools: ToolServer) -> None:
    before = len(tools.recorded_calls())
    with pytest.raises(AgentFailed):
        # The tool servers have no tool `chat`.
        Agents(url_of(tools, "http_1"), [], timeout=PATIENCE).ask(["How are you?"])
    notes = tools.recorded_calls()[before:]
    assert [note["method"] for note in notes][:2] == ["initialize", "notifications/initialized"]
    assert {"server": "http_1", "method": "tools/call", "tool": "chat"}.items() <= notes[-1].items()


def test_a_server_can_leave_and_come_back(tools: ToolServer) -> None:
    place = ("127.0.0.1", int(url_of(tools, "http_2").rpartition(":")[2].partition("/")[0]))
    tools.suspend("http_2")
    with pytest.raises(OSError):
        socket.create_connection(place, timeout=PATIENCE)
    tools.resume("http_2")
    socket.create_connection(place, timeout=PATIENCE).close()
    socket.create_connection(("127.0.0.1", tools.ports["http_1"]), timeout=PATIENCE).close()


@pytest.mark.parametrize("names", [("http_1", "http_2"), ("http_sessions",), (STDIO,), ("http_1", MISSING)])
def test_a_configuration_names_the_servers_of_its_kit(tools: ToolServer, names: tuple[str, ...]) -> None:
    document = json.loads(tools.configuration(names).read_text())
    assert tuple(server["tool_prefix"] for server in document["servers"]) == names
    assert document["tool_timeout_secs"] == tool_server.TOOL_SECONDS
    patient = json.loads(tools.configuration(names, 2.5).read_text())
    assert patient["tool_timeout_secs"] == 3
    for server in document["servers"]:
        assert server["source"]["type"] == ("Process" if server["name"] == STDIO else "Http")
        if server["name"] == MISSING:
            with pytest.raises(AssertionError):
                ApiClient(server["source"]["url"]).get("")


def test_a_program_that_does_not_come_up_is_told_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_server, "_PROGRAM", "support.mcp.nobody")
    before = managed_pids()
    with pytest.raises(WaitTimeout, match=r"(?s)process ended.*No module named"):
        ToolServer(tmp_path).configuration(["http_1"])
    assert managed_pids() == before


def test_a_server_that_is_silent_fails_the_agent_in_time() -> None:
    server = TinyServer(silence)
    try:
        with pytest.raises(AgentFailed, match="was not done in"):
            Agents(f"{server.url}/mcp", [], timeout=0.5).server_info()
    finally:
        server.close()


def test_a_server_that_speaks_no_mcp_fails_the_agent_with_the_words_of_the_client() -> None:
    server = TinyServer(json_reply({"detail": "what is that?"}))
    exchanges: list[Exchange] = []
    try:
        with pytest.raises(AgentFailed, match="the official client"):
            Agents(f"{server.url}/mcp", exchanges, timeout=PATIENCE).server_info()
    finally:
        server.close()
    assert b"what is that?" in exchanges[0].body


def tool(description: str, *required: str) -> Tool:
    return Tool(
        name="chat", description=description, input_schema={"type": "object", "required": [*required]}
    )


VISIT = ServerInfo("2025-11-25", "mistralrs", "0.9.2", (tool("talks", "messages"),))


def test_an_offer_that_fits_passes() -> None:
    check_tool_offered(VISIT, "chat", ["messages"])


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("talk", tool("talks", "messages")),
        ("chat", tool(" ", "messages")),
        ("chat", tool("talks")),
    ],
)
def test_a_tool_that_differs_is_detected(name: str, offered: Tool) -> None:
    with pytest.raises(AssertionError):
        check_tool_offered(ServerInfo("2025-11-25", "mistralrs", "0.9.2", (offered,)), name, ["messages"])


@pytest.mark.parametrize(
    "visit", [ServerInfo("", "a", "1", ()), ServerInfo("2", "", "1", ()), ServerInfo("2", "a", "", ())]
)
def test_a_server_that_hides_itself_is_noticed(visit: ServerInfo) -> None:
    with pytest.raises(AssertionError):
        check_identity(visit)
