"""Faults in one scenario: malformed requests, disconnecting clients, slow readers, repeated prefixes,
generated requests.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from support.chat.client import OPENAI_CHAT, ChatEndpoint, ChatRequest, chat_request
from support.chat.scenario_servers import ScenarioServers
from support.errors import CheckFailed
from support.faults import disconnects, fuzzing, malformed_requests, repeated_prefixes
from support.faults.fuzzing import ChoicesOutcome, FuzzReport
from support.http.exchange import Exchange
from support.performance.activity import ActivityProbe, CpuActivity, watch_activity
from support.performance.concurrency import UserOutcome
from support.programs.launcher import LaunchedProgram
from support.results.must_check import MustCheck
from support.results.outcome import Evidence
from support.results.scenario_result import ScenarioResult
from support.servers.dedicated import DIRECT

# The request of the other client while clients disconnect.
STREAM_QUESTION, STREAM_LIMIT = "Tell me about the story", 100
# A generated question has no scripted answer: the answer ends with the context.
SHORT_CONTEXT = 512
MIN_REQUESTS = 100
# The other users beside a slow reader.
USERS = 4


class FaultScenario(ScenarioResult):
    """Fresh for each scenario."""

    kind = "answers beside a faulty client"

    def __init__(self, servers: ScenarioServers) -> None:
        context = servers.context
        self.refusals: MustCheck[list[tuple[ChatEndpoint, Exchange]]] = context.must_check(
            "responses to a malformed request"
        )
        self.disconnected: MustCheck[tuple[ChatEndpoint, ActivityProbe]] = context.must_check(
            "work for a client that has disconnected"
        )
        self.stream: MustCheck[AssertionError | None] = context.must_check("stream of the other client")
        self.user_outcomes: MustCheck[Sequence[tuple[ChatRequest, UserOutcome]]] = context.must_check(
            "answers of the other users"
        )
        self.fuzz_report: MustCheck[FuzzReport] = context.must_check("responses to generated requests")
        self.choices: MustCheck[ChoicesOutcome] = context.must_check("response to too many choices")
        self._servers = servers
        self._suite = servers.suite
        self._server: LaunchedProgram | None = None

    # -- malformed requests

    def send_malformed_request(self, mistake: str, api: str, server: str) -> None:
        """Send the same mistake to every endpoint of an API at a server."""
        endpoints = self._servers.endpoints
        targets = endpoints.native(server) if api == "Ollama" else [endpoints.openai(server)]
        self.refusals.set(malformed_requests.send_malformed(targets, mistake, self._servers.answer_timeout))

    def require_client_errors(self, api: str) -> None:
        """Each response is an error of the client in the form of this API; raises AssertionError."""
        malformed_requests.require_client_errors(self.refusals.get(), api)

    # -- disconnecting clients, slow readers and repeated prefixes

    @property
    def available(self) -> bool:
        return self.user_outcomes.available or self.stream.available

    def run_clients(self, action: str, server: str) -> None:
        """Let clients of a server do one of `CLIENT_ACTIONS`."""
        CLIENT_ACTIONS[action](self, server)

    def disconnect(self, server: str, *, stream: bool) -> None:
        """Disconnect in the middle of an answer: the server has to stop generating it."""
        endpoint = self._servers.dedicated_endpoint(server)
        watched = watch_activity(
            self._servers.dedicated_target,
            self._servers.dedicated,
            disconnects.SHORT,
            self._servers.answer_timeout,
        )
        activity = self._servers.context.cleanups.enter_context(watched)
        disconnects.disconnect_mid_answer(endpoint, activity, stream=stream)
        self.disconnected.set((endpoint, activity))

    def require_idle(self, timeout: float) -> None:
        """The work for the client that has disconnected stops within so many seconds.

        Without one of `disconnect` it is a program that has left: all work of the server stops.
        """
        if self.disconnected.available:
            endpoint, activity = self.disconnected.get()
        else:
            endpoint, activity = self._servers.dedicated_target, CpuActivity(self._servers.dedicated)
        with self._discard_on_failure():
            disconnects.require_idle(endpoint, activity, self._suite.settings.seconds(timeout))

    def disconnect_beside_stream(self, server: str) -> None:
        """Disconnect while the answer of another client is being streamed."""
        endpoint = self._servers.dedicated_endpoint(server)
        request = chat_request((), STREAM_QUESTION, limit=STREAM_LIMIT)
        self.stream.set(
            disconnects.disconnect_beside_stream(endpoint, request, timeout=self._servers.answer_timeout)
        )

    def require_complete(self) -> None:
        with self._discard_on_failure():
            if (failure := self.stream.get()) is not None:
                raise failure

    def ask_beside_slow_reader(self, server: str, users: int = USERS) -> None:
        """Users send requests while one client does not read its stream."""
        endpoint = self._servers.dedicated_endpoint(server)
        outcomes = disconnects.ask_beside_slow_reader(endpoint, users, self._servers.answer_timeout)
        self.user_outcomes.set([(disconnects.SHORT, outcome) for outcome in outcomes])

    def ask_after_earlier_prompts(self, server: str) -> None:
        """Users send prompts at once that begin like a short and a long one before."""
        endpoint = self._servers.dedicated_endpoint(server)
        self.user_outcomes.set(
            repeated_prefixes.ask_after_earlier_prompts(endpoint, self._servers.answer_timeout)
        )

    def require_scripted(self) -> None:
        script = self._suite.script
        disconnects.require_texts(
            [
                (script.answer_to_messages(request.messages), outcome)
                for request, outcome in self.user_outcomes.get()
            ]
        )

    def require_timely(self, limit: float) -> None:
        outcomes = [outcome for _, outcome in self.user_outcomes.get()]
        disconnects.require_timely(outcomes, self._suite.settings.seconds(limit))

    @contextlib.contextmanager
    def _discard_on_failure(self) -> Iterator[None]:
        """A server that fails here may be busy for a long time: no other scenario gets it."""
        try:
            yield
        except AssertionError:
            self._servers.discard_shared()
            raise

    # -- generated requests

    def fuzz(self, seconds: float) -> None:
        """Send generated requests to the server of the Given step; the findings are evidence."""
        server = self._memory_limited
        report = fuzzing.fuzz(server.url, server.folder, seconds, lambda: server.alive)
        self._servers.context.evidence += [
            Evidence.text("findings, and how to repeat them", report.replay_script(), "findings.txt"),
            Evidence.text("generated requests", report.output, "schemathesis.txt"),
        ]
        self.fuzz_report.set(report)
        report.require_request_count(MIN_REQUESTS)

    def request_choices(self, choices: int) -> None:
        """Request more choices than there is memory for; the server has to reject it."""
        server = self._memory_limited
        endpoint = ChatEndpoint(DIRECT, server.url, "default", OPENAI_CHAT)
        client = endpoint.client(fuzzing.ANSWER_SECONDS)
        self._servers.context.cleanups.callback(client.close)
        self._servers.context.add_exchanges(lambda: client.exchanges)
        self.choices.set(fuzzing.request_choices(client, choices))
        self.fuzz_report.set(fuzzing.classify(client.exchanges, 1, alive=server.alive))

    def start_memory_limited(self) -> None:
        """Start a server of its own with short answers that cannot use up the machine's memory."""
        model = self._suite.models.scripted(self._suite.script, context=SHORT_CONTEXT)
        self._server = self._servers.start_with(model)
        fuzzing.bound_memory(self._server.process.pid)

    @property
    def _memory_limited(self) -> LaunchedProgram:
        if self._server is None:
            raise CheckFailed("a Given step with a memory limit has to precede this step")
        return self._server


CLIENT_ACTIONS: Mapping[str, Callable[[FaultScenario, str], None]] = {
    "disconnects during a streamed answer": partial(FaultScenario.disconnect, stream=True),
    "disconnects during a non-streamed answer": partial(FaultScenario.disconnect, stream=False),
    "disconnect while another client reads a stream": FaultScenario.disconnect_beside_stream,
    f"stops reading a stream while {USERS} users ask": FaultScenario.ask_beside_slow_reader,
    "repeat the beginnings of a short and a long prompt": FaultScenario.ask_after_earlier_prompts,
}
