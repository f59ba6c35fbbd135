"""What the steps of parity ask for: each tries one thing over the routes of the run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from support.chat import model_lists
from support.chat.endpoint import OPENAI_CHAT, ChatAnswer, ChatEndpoint, Message
from support.chat.parity import ask_all
from support.chat.scenario_base import ScenarioBase
from support.clients import langchain, ollama_cli
from support.errors import NotSupported
from support.faults import disconnects, fuzzing, malformed_requests
from support.faults.fuzzing import FuzzReport
from support.performance import concurrency
from support.performance.activity import ActivityProbe, watch_activity
from support.programs.ollama import OLLAMA
from support.reporting.evidence import replay_script
from support.results.must_check import MustCheck
from support.results.outcome import Evidence
from support.servers.bundled_gateway import gateway_version
from support.servers.dedicated import DIRECT, GATEWAY, REAL, ServerWithGateway
from support.servers.launch_plans import arguments_of
from support.servers.mistralrs import Server, start_server
from support.servers.ollama_backends import GATEWAY as BUNDLED

NEIGHBOUR, NEIGHBOUR_LIMIT = "Tell me about the story", 100
# So many tokens of a trained model, which is slow on two cores: the prompt is what counts here.
TRAINED_LIMIT = 2
# A made-up question has no scripted answer, and so none that ends: it ends with the context.
SHORT_CONTEXT = 512
# Fewer made-up requests would say little.
LEAST_REQUESTS = 100
# What scenarios do to servers that they share.
DISCONNECTING, UNLOADING = "leaving", "unloading"


class ClientResult(Protocol):
    """What somebody's client got."""

    def require(self, outcome: str) -> None:
        """Raise AssertionError unless it is what these words of the features say."""


class ParityScenario(ScenarioBase):
    """One scenario's tries. What came of each is to be looked at."""

    def __init__(self, *what: Any) -> None:
        super().__init__(*what)
        self._dedicated: ServerWithGateway | None = None
        self.trained_answers: tuple[ChatAnswer, ...] = ()
        # In the words of a step, and a look at what came that raises AssertionError when they are wrong.
        self.claim: MustCheck[tuple[str, Callable[[], None]]] = MustCheck("outcome of what was tried")
        self.client_result: MustCheck[ClientResult] = MustCheck("outcome of what a client did")
        self.user_outcomes: MustCheck[list[disconnects.UserOutcome]] = MustCheck("answers of the others")
        self.disconnected: MustCheck[tuple[ChatEndpoint, ActivityProbe]] = MustCheck(
            "work for a client that has left"
        )

    @property
    def results(self) -> tuple[MustCheck[Any], ...]:
        """What somebody has to look at."""
        return (
            self.answers,
            self.claim,
            self.fuzz_report,
            self.client_result,
            self.user_outcomes,
            self.disconnected,
        )

    def confirm(self, words: str) -> None:
        """What was tried came out as these words say; raises LookupError when something else was tried."""
        claimed, check = self.claim.get()
        if claimed != words:
            raise LookupError(f"what was tried is to be confirmed as {claimed!r}, not as {words!r}")
        check()

    # -- servers of its own

    def start_dedicated_server(self, max_seqs: int = 32) -> None:
        """Start a server and a gateway that nobody else uses."""
        self._dedicated = self.dedicated_server(max_seqs=max_seqs)

    def share_disconnect_server(self) -> None:
        """Take the server and gateway that scenarios share whose clients leave."""
        self._dedicated = self.shared_server(DISCONNECTING)

    def share_unload_server(self) -> None:
        """Take the server and gateway that scenarios share which unload the model."""
        self._dedicated = self.shared_server(UNLOADING)

    @property
    def dedicated(self) -> ServerWithGateway:
        """The server and the gateway that a Given step has started."""
        assert self._dedicated is not None, "a step that starts a server has to come first"
        return self._dedicated

    def _dedicated_endpoint(self, server: str) -> ChatEndpoint:
        if server == GATEWAY:
            self.endpoints.require_managed_gateway()
            self.endpoints.record_version(BUNDLED, gateway_version())
        return self.dedicated.endpoint(server)

    # -- the same asked of several

    def ask_every_endpoint(
        self, messages: Sequence[Message], question: str, options: Mapping[str, Any] | None = None
    ) -> None:
        """Ask mistral.rs, the gateway and a real Ollama, for a whole answer and for a stream."""
        self.endpoints.require_same_model((DIRECT, GATEWAY, REAL))
        routes = [*map(self.endpoints.openai, (DIRECT, GATEWAY, REAL))]
        routes += [*self.endpoints.native(GATEWAY), *self.endpoints.native(REAL)]
        self._ask(routes, messages, question, options)

    def ask_target_and_gateway(
        self, messages: Sequence[Message], question: str, options: Mapping[str, Any] | None = None
    ) -> None:
        """Ask mistral.rs and the gateway, whatever model is behind them."""
        self.endpoints.require_same_model((DIRECT, GATEWAY))
        routes = [*map(self.endpoints.openai, (DIRECT, GATEWAY)), *self.endpoints.native(GATEWAY)]
        self._ask(routes, messages, question, options)

    def _ask(
        self,
        endpoints: Sequence[ChatEndpoint],
        messages: Sequence[Message],
        question: str,
        options: Mapping[str, Any] | None,
    ) -> None:
        talk = self.chat_request(messages, question, **(options or {}))
        self.answers.set(ask_all(endpoints, talk, self.answer_timeout))

    def send_malformed_request(self, mistake: str, api: str, server: str) -> None:
        """Send the same mistake to every route of an API at a server."""
        routes = self.endpoints.native(server) if api == "Ollama" else [self.endpoints.openai(server)]
        refused = malformed_requests.send_malformed(routes, mistake, self.answer_timeout)
        self.claim.set((f"refused as {api} does", partial(malformed_requests.require_refused, refused, api)))

    # -- users

    def ask_concurrently(self, users: int, server: str, *, stream: bool) -> None:
        """Many users at once; they may be too many for the server that a Given step has started."""
        if self._dedicated is not None:
            outcomes = disconnects.overload(
                self._dedicated_endpoint(server), self.keywords, users, stream, self.answer_timeout
            )
            self.claim.set(("served or busy", partial(disconnects.require_served_or_busy, outcomes)))
            return
        self.endpoints.require_scripted(server)
        route = self.endpoints.endpoint(server)
        came = concurrency.ask_concurrently(
            route, self.keywords, users, stream=stream, timeout=self.answer_timeout
        )
        self.claim.set(("own answers", came.require_own_answers))

    def ask_lengths_concurrently(self, users: int, server: str, *, stream: bool) -> None:
        """Many users at once, of whatever model."""
        route = self.endpoints.endpoint(server)
        came = concurrency.ask_lengths_concurrently(route, users, stream=stream, timeout=self.answer_timeout)
        self.claim.set(("own answers", came.require_own_questions))

    def disconnect(self, server: str, *, stream: bool) -> None:
        """Leave half-way: the server has to stop its work."""
        route = self._dedicated_endpoint(server)
        watched = watch_activity(
            self.dedicated.direct, self.dedicated, disconnects.SHORT, self.answer_timeout
        )
        work = self._cleanups.enter_context(watched)
        disconnects.disconnect_mid_answer(route, work, stream=stream)
        self.disconnected.set((route, work))

    def require_idle(self, timeout: float) -> None:
        """The work for who has left ended within so many seconds."""
        (route, work), timeout = self.disconnected.get(), self.suite.settings.seconds(timeout)
        with self._discard_on_failure():
            disconnects.require_idle(route, work, timeout)

    def disconnect_beside_stream(self, server: str) -> None:
        """Leave half-way beside somebody whose answer is being made."""
        route, talk = (
            self._dedicated_endpoint(server),
            self.chat_request((), NEIGHBOUR, limit=NEIGHBOUR_LIMIT),
        )
        failure = disconnects.disconnect_beside_stream(route, talk, timeout=self.answer_timeout)
        self.claim.set(("whole stream", partial(self._raise_failure, failure)))

    def ask_beside_slow_reader(self, server: str, users: int) -> None:
        """Others ask while somebody does not read on."""
        route = self._dedicated_endpoint(server)
        self.user_outcomes.set(disconnects.ask_beside_slow_reader(route, users, self.answer_timeout))

    def require_timely(self, users: int, limit: float) -> None:
        """So many others got the right answer, each within so many seconds."""
        text = self.expected_answer(disconnects.SHORT)
        disconnects.require_timely(self.user_outcomes.get(), text, users, self.suite.settings.seconds(limit))

    # -- models

    def read_lists(self, servers: str) -> None:
        """Both lists of a server, which have to give the same names, or those of a server and its gateway.

        The latter have to name as many models: each has names of its own for them.
        """
        if servers != f"{DIRECT} and {GATEWAY}":
            client = self.client(self.endpoints.endpoint(servers))
            openai, ollama = model_lists.openai_names(client), model_lists.ollama_names(client)
            self.claim.set(("same names", partial(model_lists.require_same_names, openai, ollama)))
            return
        self.endpoints.require_same_model((DIRECT, GATEWAY))
        direct, gateway = (self.client(self.endpoints.endpoint(server)) for server in (DIRECT, GATEWAY))
        listed = {DIRECT: model_lists.openai_names(direct), GATEWAY: model_lists.ollama_names(gateway)}
        self.claim.set(("same number of models", partial(model_lists.require_same_count, listed)))

    def unload(self, server: str) -> None:
        """Unload through one of them."""
        gateway, direct = self._dedicated_endpoint(GATEWAY), self.client(self.dedicated.direct)
        gateway.ask(model_lists.QUESTION, timeout=self.answer_timeout)
        if server == GATEWAY:
            model_lists.unload_through_gateway(gateway)
        else:
            model_lists.unload(direct)

    def require_none_loaded(self, server: str) -> None:
        """The list of this one shows no loaded model."""
        client = self.client(self._dedicated_endpoint(server))
        (model_lists.require_none_loaded if server == GATEWAY else model_lists.require_unloaded)(client)

    def unload_and_reload(self) -> None:
        """Have the model unloaded and loaded; every name has to answer as before."""
        client = self.client(self.dedicated.direct)
        expected = self.expected_answer(model_lists.QUESTION)
        model_lists.require_all_answer(client, expected)
        model_lists.unload(client)
        model_lists.reload(client)
        self.claim.set(("every name", partial(model_lists.require_all_answer, client, expected)))

    # -- other people's clients

    def fuzz(self, seconds: float) -> None:
        """Made-up requests, once a run; what they brought about is kept as evidence."""
        lacking = fuzzing.missing_module()
        if lacking is not None:
            raise NotSupported(f"needs {lacking}; `uv sync --group fuzz` installs it")
        self.endpoints.record_version(self.suite.target.program, self.suite.target.version)
        known = self.suite.fuzz_cache
        came = known[seconds] = known[seconds] if seconds in known else self._fuzz(seconds)
        self.evidence += [
            Evidence.text("findings, and how to repeat them", came.replay_script(), "findings.txt"),
            Evidence.text("made-up requests", came.output, "schemathesis.txt"),
        ]
        self.fuzz_report.set(came)
        came.require_request_count(LEAST_REQUESTS)

    def _fuzz(self, seconds: float) -> FuzzReport:
        server = self._memory_limited_server()
        return fuzzing.fuzz(server.url, server.folder, seconds, lambda: server.alive)

    def request_too_many_choices(self) -> None:
        """Ask for more answers than there is memory for; the server has to say that it does not."""
        self.endpoints.record_version(self.suite.target.program, self.suite.target.version)
        server = self._memory_limited_server()
        route = ChatEndpoint(DIRECT, server.url, "default", OPENAI_CHAT)
        client = self._cleanups.enter_context(contextlib.closing(route.client(fuzzing.ANSWER_SECONDS)))
        self.claim.set(("wish refused", fuzzing.request_too_many_choices(client)))
        self.evidence.append(Evidence.text("how to repeat it", replay_script(client.exchanges), "repeat.sh"))
        self.fuzz_report.set(fuzzing.classify(client.exchanges, 1, alive=server.alive))

    def _memory_limited_server(self) -> Server:
        """A server of its own whose answers are short, and that cannot take the machine's memory."""
        file = self.suite.models.scripted(self.suite.script, context=SHORT_CONTEXT)
        server = start_server(self.suite.command, arguments_of(file), self.suite.settings)
        self._cleanups.callback(server.stop)
        fuzzing.bound_memory(server.process.pid)
        return server

    def run_ollama_command(self, task: str, server: str) -> None:
        """Ollama's own command on a server: on the one of a Given step where there is one."""
        part = OLLAMA.locate(self.suite.settings)
        if part is None:
            raise NotSupported(
                "needs the program ollama; `acceptance get ollama` builds one, or set OLLAMA_BIN"
            )
        url, model = self._command_target(task, server)
        home = self.suite.folder / "ollama-home"
        home.mkdir(exist_ok=True)
        self.client_result.set(ollama_cli.run(part.path, url, model, task, home))

    def _command_target(self, task: str, server: str) -> tuple[str, str]:
        deed = ollama_cli.mutation(task)
        if deed is not None and server == GATEWAY and self._dedicated is not None:
            route = self._dedicated_endpoint(server)
            return route.url, route.model
        if deed is not None:
            self.endpoints.require_managed(server, deed)
        if task == ollama_cli.SHOW:
            self.endpoints.require_model_metadata(server)
        if ollama_cli.needs_inference(task):
            self.endpoints.require_scripted(server)
        return self.endpoints.address(server)

    def run_langchain(self, task: str, server: str) -> None:
        """LangChain's adapter of the API that most users of a server use."""
        lacking = langchain.missing_module()
        if lacking is not None:
            raise NotSupported(f"needs {lacking}; `uv sync --group clients` installs it")
        self.endpoints.require_scripted(server)
        route = self.endpoints.endpoint(server)
        self.client_result.set(langchain.run(route.protocol.api, route.url, route.model, task, route.key))

    # -- a trained model

    def ask_trained(self, messages: Sequence[Message], question: str) -> None:
        """Ask SmolLM2 in both engines."""
        talk = self.chat_request(messages, question, limit=TRAINED_LIMIT)
        within = self.suite.settings.seconds(2 * self.answer_timeout)
        self.trained_answers = tuple(route.ask(talk, timeout=within) for route in self.trained_endpoints())

    def require_prompt_tokens(self, *, same: bool) -> None:
        """Both counted the same tokens of the prompt, or mistral.rs more of them."""
        ours, theirs = (said.prompt_tokens or 0 for said in self.trained_answers)
        held = ours == theirs if same else ours > theirs
        words = "the same number of" if same else "more"
        assert held, f"expected {words} prompt tokens on {DIRECT}: {ours}, on {REAL}: {theirs}"

    def _raise_failure(self, failure: AssertionError | None) -> None:
        if failure is not None:
            with self._discard_on_failure():
                raise failure

    @contextlib.contextmanager
    def _discard_on_failure(self) -> Iterator[None]:
        """A server that fails here may be at work for nobody for a long time: no other scenario gets it."""
        try:
            yield
        except AssertionError:
            self.suite.shared_servers.discard(DISCONNECTING)
            raise
