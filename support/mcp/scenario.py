"""What one scenario does with MCP: agents that ask its server, tool servers that its server asks."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.mcp import agent, json_rpc
from support.mcp.tool_server import TOOL_SECONDS
from support.mcp.tool_servers import TOOL_SERVER_SETS
from support.results.must_check import MustCheck
from support.results.outcome import Evidence
from support.servers.mistralrs import Server

if TYPE_CHECKING:
    from support.suite import RunContext

# For an agent's whole visit: the first one also waits for the client's packages to be imported.
AGENT_SECONDS = 30.0
# Whose answers of the script are all different.
TOPICS = ("lighthouse", "harbour", "glacier", "violin", "comet", "copper", "orchard", "falcon")
HANDSHAKE = ("initialize", "notifications/initialized", "tools/list")


class McpScenario:
    """The state of one scenario. `watch` is told of its server."""

    def __init__(
        self, suite: RunContext, cleanups: ExitStack, require_alive: Callable[[Server], None]
    ) -> None:
        self._suite, self._cleanups, self._require_alive = suite, cleanups, require_alive
        self.server_info: MustCheck[agent.ServerInfo] = MustCheck("visit of an agent")
        self.answers: MustCheck[list[str]] = MustCheck("answers to agents")
        self.reply: MustCheck[Exchange] = MustCheck("reply to an agent")
        self.exchanges: list[Exchange] = []
        self.questions: tuple[str, ...] = ()
        self._agents_url = ""
        self._first_call = 0
        self._tool_calling_server: Server | None = None

    @property
    def results(self) -> tuple[MustCheck[Any], ...]:
        """What a step has to look at."""
        return self.server_info, self.answers, self.reply

    # -- the target as a server

    def start_mcp_server(self) -> None:
        """A shared server with the speaking model, started with a port for MCP."""
        suite = self._suite
        # Its packages take a second to import: it may as well come up while agents are busy.
        _ = suite.tool_server
        server = suite.servers.get(suite.scripted(), ("--mcp-port", str(suite.mcp_port)))
        self._require_alive(server)
        self._agents_url = f"http://127.0.0.1:{suite.mcp_port}"

    def connect(self) -> None:
        """An agent connects with the official client."""
        self.server_info.set(self._agents().server_info())

    def ask(self, *questions: str) -> None:
        """An agent for each question uses the chat tool, all at the same moment."""
        self.questions = questions
        self.answers.set(self._agents().ask(*questions))

    def ask_concurrently(self, agents: int) -> None:
        """So many agents, each with a question of its own."""
        self.ask(*(f"Tell me about the {topic}" for topic in TOPICS[:agents]))

    def expected_answers(self) -> list[str]:
        """What the script says to each question."""
        return [self._suite.script.answer_to(question).answer for question in self.questions]

    def send(self, message: str) -> None:
        """Send a message of `messages.toml`; its reply is to be checked."""
        with contextlib.closing(self._client()) as client:
            try:
                self.reply.set(json_rpc.send(client, message))
            finally:
                self.exchanges += client.exchanges

    def _agents(self) -> agent.Agents:
        within = self._suite.settings.seconds(AGENT_SECONDS)
        return agent.Agents(self._agents_url + json_rpc.ROUTE, self.exchanges, within)

    def _client(self) -> ApiClient:
        assert self._agents_url, "a step that offers MCP has to come first"
        return ApiClient(self._agents_url, timeout=self._suite.settings.seconds(AGENT_SECONDS))

    # -- the target as a client

    def configure_tool_servers(self, server_set: str) -> None:
        """A shared server that was told of these tool servers; its model calls their tools."""
        suite = self._suite
        configuration = suite.tool_server.configuration(
            TOOL_SERVER_SETS[server_set], suite.settings.seconds(TOOL_SECONDS)
        )
        self._first_call = len(suite.tool_server.recorded_calls())
        self._tool_calling_server = suite.servers.get(
            suite.tool_calling_model(), ("--mcp-config", str(configuration))
        )
        self._require_alive(self._tool_calling_server)

    def stop_tool_server(self, name: str) -> None:
        """This tool server is gone until the scenario ends."""
        self._cleanups.callback(self._suite.tool_server.resume, name)
        self._suite.tool_server.suspend(name)

    def calls(self) -> list[tuple[str, Any]]:
        """Tools that were called in this scenario, in order: `server.tool` and the arguments."""
        return [
            (f"{note['server']}.{note['tool']}", note["arguments"])
            for note in self._suite.tool_server.recorded_calls()[self._first_call :]
            if "tool" in note
        ]

    def check_called_once(self, tool: str, city: str) -> None:
        """This tool alone was called, one time, with this argument."""
        assert self.calls() == [(tool, {"city": city})], (
            f"expected one call of {tool} for {city!r}, the tool servers were called for {self.calls()}"
        )

    def check_handshake(self, name: str) -> None:
        """The tool server was greeted as the protocol has it and asked for its tools ("Lifecycle")."""
        taken = tuple(
            note["method"] for note in self._suite.tool_server.recorded_calls() if note["server"] == name
        )
        assert taken[: len(HANDSHAKE)] == HANDSHAKE, (
            f"expected {name!r} to be asked {list(HANDSHAKE)}, it was asked {list(taken)}"
        )

    # -- what remains

    def evidence(self) -> list[Evidence]:
        """What the tool servers were asked in this scenario, and all that its server ever said of them."""
        if self._tool_calling_server is None:
            return []
        notes = self._suite.tool_server.recorded_calls()[self._first_call :]
        asked = "".join(f"{json.dumps(note)}\n" for note in notes) or "(nothing in this scenario)\n"
        said = "".join(
            line for line in self._tool_calling_server.log.splitlines(keepends=True) if "MCP" in line
        )
        return [
            Evidence.text("tool servers were asked", asked, "tool-servers.jsonl"),
            Evidence.text("the server of its tool servers", said or "(nothing)\n", "tool-servers.log"),
        ]
