"""MCP in one scenario: agents that use the server under test, and tool servers that it uses."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence

from support.errors import CheckFailed
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.mcp import agent, json_rpc
from support.mcp.tool_server import TOOL_SECONDS
from support.programs.launcher import LaunchedProgram
from support.results.must_check import MustCheck
from support.results.outcome import Evidence
from support.results.scenario_result import ScenarioResult
from support.scenario import ScenarioContext

# For everything that one agent does: the first one also waits for the client's packages to be imported.
AGENT_SECONDS = 30.0
HANDSHAKE = ("initialize", "notifications/initialized", "tools/list")


class McpScenario(ScenarioResult):
    """Fresh for each scenario."""

    kind = "answers to agents"

    def __init__(self, context: ScenarioContext) -> None:
        self.server_info: MustCheck[agent.ServerInfo] = context.must_check("server information for an agent")
        self.answers: MustCheck[list[str]] = context.must_check("answers to agents")
        self.replies: MustCheck[Exchange] = context.must_check("reply to an agent")
        self._questions: list[str] = []
        self._context = context
        self._suite = context.suite
        self._exchanges: list[Exchange] = []
        self._agents_url = ""
        self._first_call = 0
        self._tool_calling_server: LaunchedProgram | None = None
        context.add_exchanges(lambda: self._exchanges)
        context.add_evidence(self.evidence)

    # -- the target as a server

    def start_mcp_server(self) -> None:
        """A shared server with the scripted model, started with a port for MCP."""
        suite = self._suite
        # Its packages take a second to import: it starts while agents are busy.
        _ = suite.tool_server
        server = suite.servers.get(suite.scripted(), ("--mcp-port", str(suite.mcp_port)))
        self._context.require_alive(server)
        self._agents_url = f"http://127.0.0.1:{suite.mcp_port}"

    def connect(self) -> None:
        """An agent connects with the official SDK."""
        self.server_info.set(self._agents().server_info())

    def ask_about(self, topics: str) -> None:
        """An agent for each of the topics (`harbour, poem`) uses the chat tool, all at the same moment."""
        self._questions = [f"Tell me about the {topic.strip()}" for topic in topics.split(",")]
        self.answers.set(self._agents().ask(self._questions))

    @property
    def available(self) -> bool:
        return self.answers.available

    def require_scripted(self) -> None:
        """Each agent has exactly the answer to its own question."""
        expected = [self._suite.script.answer_to(question).answer for question in self._questions]
        answers = self.answers.get()
        if answers != expected:
            raise CheckFailed(f"expected the answers {expected}, got {answers}")

    def send(self, messages: Sequence[str]) -> None:
        """Send messages of `messages.toml`, each from an agent of its own; the replies have to be checked."""
        for message in messages:
            with contextlib.closing(self._client()) as client:
                try:
                    self.replies.add(json_rpc.send(client, message))
                finally:
                    self._exchanges += client.exchanges

    def check_replies(self, expected: Sequence[str]) -> None:
        """The replies are those of `replies.toml`, in order."""
        for reply, name in zip(self.replies.all(), expected, strict=True):
            json_rpc.check_reply(reply, name)

    def _agents(self) -> agent.Agents:
        within = self._suite.settings.seconds(AGENT_SECONDS)
        return agent.Agents(self._agents_url + json_rpc.ROUTE, self._exchanges, within)

    def _client(self) -> ApiClient:
        if not self._agents_url:
            raise CheckFailed("a Given step with an MCP server has to come first")
        return ApiClient(self._agents_url, timeout=self._suite.settings.seconds(AGENT_SECONDS))

    # -- the target as a client

    def configure_tool_servers(self, names: Sequence[str]) -> None:
        """A shared server that is configured with these tool servers; its model calls their tools."""
        suite = self._suite
        configuration = suite.tool_server.configuration(names, suite.settings.seconds(TOOL_SECONDS))
        self._first_call = len(suite.tool_server.recorded_calls())
        self._tool_calling_server = suite.servers.get(
            suite.tool_calling_model(), ("--mcp-config", str(configuration))
        )
        self._context.require_alive(self._tool_calling_server)

    def stop_tool_server(self, name: str) -> None:
        """This tool server is gone until the scenario ends."""
        self._context.cleanups.callback(self._suite.tool_server.resume, name)
        self._suite.tool_server.suspend(name)

    def check_called_once(self, tool: str, city: str) -> None:
        """Exactly one call was made in this scenario: of this tool (`server.tool`), with this argument."""
        calls = [
            (f"{note['server']}.{note['tool']}", note["arguments"])
            for note in self._suite.tool_server.recorded_calls()[self._first_call :]
            if "tool" in note
        ]
        if calls != [(tool, {"city": city})]:
            raise CheckFailed(
                f"expected one call of {tool} for {city!r}, the tool servers got the calls {calls}"
            )

    def check_handshake(self, name: str) -> None:
        """The tool server received the handshake of the protocol ("Lifecycle") and `tools/list`."""
        notes = self._suite.tool_server.recorded_calls()
        taken = tuple(note["method"] for note in notes if note["server"] == name)
        if taken[: len(HANDSHAKE)] != HANDSHAKE:
            raise CheckFailed(f"expected {name!r} to receive {list(HANDSHAKE)}, it received {list(taken)}")

    # -- what remains

    def evidence(self) -> list[Evidence]:
        """The messages to the tool servers in this scenario, and all that the server's log has about MCP."""
        if self._tool_calling_server is None:
            return []
        notes = self._suite.tool_server.recorded_calls()[self._first_call :]
        messages = "".join(f"{json.dumps(note)}\n" for note in notes) or "(nothing in this scenario)\n"
        lines = self._tool_calling_server.log.splitlines(keepends=True)
        log = "".join(line for line in lines if "MCP" in line)
        return [
            Evidence.text("messages to the tool servers", messages, "tool-servers.jsonl"),
            Evidence.text("the server's log about MCP", log or "(nothing)\n", "tool-servers.log"),
        ]
