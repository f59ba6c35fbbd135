"""What a scenario says of the tool servers, with a record in their place."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.chat.checks import check_seconds
from support.mcp.scenario import HANDSHAKE, McpScenario
from support.models.script import Script
from support.scenario import ScenarioContext
from support.servers.launch_checks import check_log_reports_missing_tool_server

# Of the concurrent agents in features/mcp/agents.feature.
TOPICS = ("lighthouse", "harbour", "glacier", "violin", "comet", "copper", "orchard", "falcon")


def scene(*notes: dict[str, Any]) -> McpScenario:
    suite: Any = SimpleNamespace(tool_server=SimpleNamespace(recorded_calls=lambda: list(notes)))
    return McpScenario(ScenarioContext(suite, Path()))


def call(tool: str = "forecast", city: str = "Oslo") -> dict[str, Any]:
    return {"server": "http_1", "method": "tools/call", "tool": tool, "arguments": {"city": city}}


def asked(*methods: str, server: str = "http_1") -> list[dict[str, Any]]:
    return [{"server": server, "method": method} for method in methods]


def test_one_call_with_its_argument_passes() -> None:
    scene(*asked("tools/list"), call()).check_called_once("http_1.forecast", "Oslo")


@pytest.mark.parametrize(
    "notes",
    [[], [call(), call()], [call(city="Rome")], [call(tool="archive")], [call(), call(tool="archive")]],
    ids=["none", "twice", "wrong argument", "wrong tool", "another one too"],
)
def test_any_other_calls_are_noticed(notes: list[dict[str, Any]]) -> None:
    with pytest.raises(AssertionError, match=r"expected one call of http_1\.forecast for 'Oslo'"):
        scene(*notes).check_called_once("http_1.forecast", "Oslo")


def test_a_whole_greeting_passes() -> None:
    scene(*asked(*HANDSHAKE), *asked("ping", server="http_2")).check_handshake("http_1")


@pytest.mark.parametrize(
    "notes",
    [[], asked(*HANDSHAKE, server="http_2"), asked("initialize", "tools/list"), asked(*HANDSHAKE[:2])],
    ids=["silence", "another server", "no notification", "no tools/list"],
)
def test_a_greeting_that_lacks_something_is_noticed(notes: list[dict[str, Any]]) -> None:
    with pytest.raises(AssertionError, match="expected 'http_1' to receive"):
        scene(*notes).check_handshake("http_1")


def test_concurrent_agents_get_different_answers() -> None:
    """Topics of features/mcp/agents.feature: equal answers could not be told apart."""
    script = Script.standard()
    assert len({script.answer_to(f"Tell me about the {topic}").answer for topic in TOPICS}) == len(TOPICS)


def test_answers_that_were_mixed_up_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script.standard()
    right = [script.answer_to(f"Tell me about the {topic}").answer for topic in TOPICS[:2]]
    suite: Any = SimpleNamespace(script=script, settings=SimpleNamespace(seconds=float))
    agents = McpScenario(ScenarioContext(suite, Path()))
    monkeypatch.setattr("support.mcp.agent.Agents.ask", lambda _agents, _questions: right)
    agents.ask_about("lighthouse, harbour")
    agents.require_scripted()
    right.reverse()
    with pytest.raises(AssertionError, match="expected the answers"):
        agents.require_scripted()


def test_a_late_answer_is_noticed() -> None:
    answer: Any = SimpleNamespace(exchange=SimpleNamespace(seconds=1.5))
    check_seconds([answer], 2.0)
    with pytest.raises(AssertionError, match=r"within 1\.0 s, it took 1\.5 s"):
        check_seconds([answer], 1.0)


def test_a_log_that_is_silent_about_a_missing_tool_server_is_noticed() -> None:
    server: Any = SimpleNamespace(log="WARN Failed to initialize MCP client with 1 configured servers")
    check_log_reports_missing_tool_server(server)
    server.log = "Model loaded."
    with pytest.raises(AssertionError, match="does not mention the missing tool server"):
        check_log_reports_missing_tool_server(server)


def test_the_evidence_has_the_calls_and_what_the_server_said_of_its_tool_servers() -> None:
    log = "Model loaded.\nFailed to initialize MCP client with 1 configured servers\n"
    tool_server = SimpleNamespace(recorded_calls=list, configuration=lambda _names, _seconds: "servers.json")
    suite: Any = SimpleNamespace(
        settings=SimpleNamespace(seconds=float),
        tool_server=tool_server,
        tool_calling_model=lambda: "model",
        servers=SimpleNamespace(get=lambda _model, _options: SimpleNamespace(log=log, log_position=(0, 0))),
    )
    told = McpScenario(ScenarioContext(suite, Path()))
    assert told.evidence() == []
    told.configure_tool_servers(("http_1", "http_2"))
    tool_server.recorded_calls = lambda: [call()]
    asked_for, said = (piece.data.decode() for piece in told.evidence())
    assert '"tool": "forecast"' in asked_for
    assert said == "Failed to initialize MCP client with 1 configured servers\n"
