"""What the steps of parity ask for: each tries one thing over the routes of the run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from support.bundled.ollama_gateway.errors import API_LEVEL
from support.chat import model_lists
from support.chat.endpoint import OPENAI_CHAT, Message, Route, Said
from support.chat.parity import ask_all
from support.chat.scenario_base import Room
from support.clients import langchain, ollama_cli
from support.errors import NotOffered
from support.faults import disconnects, fuzzing, malformed_requests
from support.faults.fuzzing import Fuzzed
from support.performance import concurrency
from support.performance.activity import Work, work_of
from support.programs.ollama import OLLAMA
from support.reporting.evidence import repeating
from support.results.must_check import Observed
from support.results.outcome import Evidence
from support.servers.dedicated import DIRECT, GATEWAY, REAL, Stack
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
LEAVING, UNLOADING = "leaving", "unloading"


class Brought(Protocol):
    """What somebody's client got."""

    def require(self, outcome: str) -> None:
        """Raise AssertionError unless it is what these words of the features say."""


class Desk(Room):
    """One scenario's tries. What came of each is to be looked at."""

    def __init__(self, *what: Any) -> None:
        super().__init__(*what)
        self._stack: Stack | None = None
        self.trained_said: tuple[Said, ...] = ()
        # In the words of a step, and a look at what came that raises AssertionError when they are wrong.
        self.claim: Observed[tuple[str, Callable[[], None]]] = Observed("outcome of what was tried")
        self.brought: Observed[Brought] = Observed("outcome of what a client did")
        self.served: Observed[list[disconnects.Served]] = Observed("answers of the others")
        self.left: Observed[tuple[Route, Work]] = Observed("work for a client that has left")

    @property
    def results(self) -> tuple[Observed[Any], ...]:
        """What somebody has to look at."""
        return self.answers, self.claim, self.made_up, self.brought, self.served, self.left

    def confirm(self, words: str) -> None:
        """What was tried came out as these words say; raises LookupError when something else was tried."""
        claimed, check = self.claim.get()
        if claimed != words:
            raise LookupError(f"what was tried is to be confirmed as {claimed!r}, not as {words!r}")
        check()

    # -- servers of its own

    def begin(self, at_once: int = 32) -> None:
        """Start a server and a gateway that nobody else uses."""
        self._stack = self.stack(at_once=at_once)

    def begin_leaving(self) -> None:
        """Take the server and gateway that scenarios share whose clients leave."""
        self._stack = self.shared_stack(LEAVING)

    def begin_unloading(self) -> None:
        """Take the server and gateway that scenarios share which unload the model."""
        self._stack = self.shared_stack(UNLOADING)

    @property
    def own(self) -> Stack:
        """The server and the gateway that a Given step has started."""
        assert self._stack is not None, "a step that starts a server has to come first"
        return self._stack

    def _own_route(self, server: str) -> Route:
        if server == GATEWAY:
            self.lineup.require_own_gateway()
            self.lineup.note(BUNDLED, API_LEVEL)
        return self.own.route(server)

    # -- the same asked of several

    def ask_every_route(
        self, messages: Sequence[Message], question: str, options: Mapping[str, Any] | None = None
    ) -> None:
        """Ask mistral.rs, the gateway and a real Ollama, for a whole answer and for a stream."""
        self.lineup.require_same_model((DIRECT, GATEWAY, REAL))
        routes = [*map(self.lineup.openai, (DIRECT, GATEWAY, REAL))]
        routes += [*self.lineup.native(GATEWAY), *self.lineup.native(REAL)]
        self._ask(routes, messages, question, options)

    def ask_stack(
        self, messages: Sequence[Message], question: str, options: Mapping[str, Any] | None = None
    ) -> None:
        """Ask mistral.rs and the gateway, whatever model is behind them."""
        self.lineup.require_same_model((DIRECT, GATEWAY))
        routes = [*map(self.lineup.openai, (DIRECT, GATEWAY)), *self.lineup.native(GATEWAY)]
        self._ask(routes, messages, question, options)

    def _ask(
        self,
        routes: Sequence[Route],
        messages: Sequence[Message],
        question: str,
        options: Mapping[str, Any] | None,
    ) -> None:
        talk = self.talk(messages, question, **(options or {}))
        self.answers.set(ask_all(routes, talk, self.within))

    def mistake(self, mistake: str, api: str, server: str) -> None:
        """Send the same mistake to every route of an API at a server."""
        routes = self.lineup.native(server) if api == "Ollama" else [self.lineup.openai(server)]
        refused = malformed_requests.refusals(routes, mistake, self.within)
        self.claim.set((f"refused as {api} does", partial(malformed_requests.require_refused, refused, api)))

    # -- users

    def crowd(self, users: int, server: str, *, stream: bool) -> None:
        """Many users at once; they may be too many for the server that a Given step has started."""
        if self._stack is not None:
            outcomes = disconnects.fill(self._own_route(server), self.marks, users, stream, self.within)
            self.claim.set(("served or busy", partial(disconnects.require_served_or_busy, outcomes)))
            return
        self.lineup.require_speaking(server)
        route = self.lineup.route(server)
        came = concurrency.ask_at_once(route, self.marks, users, stream=stream, within=self.within)
        self.claim.set(("own answers", came.require_own_answers))

    def crowd_of_lengths(self, users: int, server: str, *, stream: bool) -> None:
        """Many users at once, of whatever model."""
        route = self.lineup.route(server)
        came = concurrency.ask_lengths_at_once(route, users, stream=stream, within=self.within)
        self.claim.set(("own answers", came.require_own_questions))

    def leave(self, server: str, *, stream: bool) -> None:
        """Leave half-way: the server has to stop its work."""
        route = self._own_route(server)
        watched = work_of(self.own.direct, self.own, disconnects.SHORT, self.within)
        work = self._cleanups.enter_context(watched)
        disconnects.leave_half_way(route, work, stream=stream)
        self.left.set((route, work))

    def require_rest(self, within: float) -> None:
        """The work for who has left ended within so many seconds."""
        (route, work), within = self.left.get(), self.suite.settings.seconds(within)
        with self._or_given_up():
            disconnects.require_rest(route, work, within)

    def leave_beside(self, server: str) -> None:
        """Leave half-way beside somebody whose answer is being made."""
        route, talk = self._own_route(server), self.talk((), NEIGHBOUR, limit=NEIGHBOUR_LIMIT)
        failure = disconnects.leave_beside_a_neighbour(route, talk, within=self.within)
        self.claim.set(("whole stream", partial(self._require_none, failure)))

    def slow_reader(self, server: str, users: int) -> None:
        """Others ask while somebody does not read on."""
        route = self._own_route(server)
        self.served.set(disconnects.ask_beside_a_slow_reader(route, users, self.within))

    def require_prompt(self, users: int, within: float) -> None:
        """So many others got the right answer, each within so many seconds."""
        text = self.scripted(disconnects.SHORT)
        disconnects.require_prompt(self.served.get(), text, users, self.suite.settings.seconds(within))

    # -- models

    def read_lists(self, servers: str) -> None:
        """Both lists of a server, which have to give the same names, or those of a server and its gateway.

        The latter have to name as many models: each has names of its own for them.
        """
        if servers != f"{DIRECT} and {GATEWAY}":
            client = self.client(self.lineup.route(servers))
            openai, ollama = model_lists.openai_names(client), model_lists.ollama_names(client)
            self.claim.set(("same names", partial(model_lists.require_same_names, openai, ollama)))
            return
        self.lineup.require_same_model((DIRECT, GATEWAY))
        direct, gateway = (self.client(self.lineup.route(server)) for server in (DIRECT, GATEWAY))
        listed = {DIRECT: model_lists.openai_names(direct), GATEWAY: model_lists.ollama_names(gateway)}
        self.claim.set(("same number of models", partial(model_lists.require_as_many, listed)))

    def unload(self, server: str) -> None:
        """Unload through one of them."""
        gateway, direct = self._own_route(GATEWAY), self.client(self.own.direct)
        gateway.ask(model_lists.QUESTION, within=self.within)
        if server == GATEWAY:
            model_lists.unload_through_gateway(gateway)
        else:
            model_lists.unload(direct)

    def require_none_loaded(self, server: str) -> None:
        """The list of this one shows no loaded model."""
        client = self.client(self._own_route(server))
        (model_lists.require_gone if server == GATEWAY else model_lists.require_unloaded)(client)

    def unload_and_reload(self) -> None:
        """Have the model unloaded and loaded; every name has to answer as before."""
        client = self.client(self.own.direct)
        expected = self.scripted(model_lists.QUESTION)
        model_lists.require_all_answer(client, expected)
        model_lists.unload(client)
        model_lists.reload(client)
        self.claim.set(("every name", partial(model_lists.require_all_answer, client, expected)))

    # -- other people's clients

    def fuzz(self, seconds: float) -> None:
        """Made-up requests, once a run; what they brought about is kept as evidence."""
        lacking = fuzzing.missing()
        if lacking is not None:
            raise NotOffered(f"needs {lacking}; `uv sync --group fuzz` installs it")
        self.lineup.note(self.suite.target.program, self.suite.target.version)
        known = self.suite.made_up
        came = known[seconds] = known[seconds] if seconds in known else self._fuzz(seconds)
        self.evidence += [
            Evidence.text("findings, and how to repeat them", came.repeating(), "findings.txt"),
            Evidence.text("made-up requests", came.told, "schemathesis.txt"),
        ]
        self.made_up.set(came)
        came.require_asked(LEAST_REQUESTS)

    def _fuzz(self, seconds: float) -> Fuzzed:
        server = self._bounded()
        return fuzzing.fuzz(server.url, server.folder, seconds, lambda: server.alive)

    def wish(self) -> None:
        """Ask for more answers than there is memory for; the server has to say that it does not."""
        self.lineup.note(self.suite.target.program, self.suite.target.version)
        server = self._bounded()
        route = Route(DIRECT, server.url, "default", OPENAI_CHAT)
        client = self._cleanups.enter_context(contextlib.closing(route.client(fuzzing.ANSWER_SECONDS)))
        self.claim.set(("wish refused", fuzzing.wish(client)))
        self.evidence.append(Evidence.text("how to repeat it", repeating(client.exchanges), "repeat.sh"))
        self.made_up.set(fuzzing.judged(client.exchanges, 1, alive=server.alive))

    def _bounded(self) -> Server:
        """A server of its own whose answers are short, and that cannot take the machine's memory."""
        file = self.suite.models.speaking(self.suite.script, context=SHORT_CONTEXT)
        server = start_server(self.suite.command, arguments_of(file), self.suite.settings)
        self._cleanups.callback(server.stop)
        fuzzing.bound_memory(server.process.pid)
        return server

    def type_command(self, errand: str, server: str) -> None:
        """Ollama's own command on a server: on the one of a Given step where there is one."""
        part = OLLAMA.locate(self.suite.settings)
        if part is None:
            raise NotOffered(
                "needs the program ollama; `acceptance get ollama` builds one, or set OLLAMA_BIN"
            )
        url, model = self._place_of(errand, server)
        home = self.suite.folder / "ollama-home"
        home.mkdir(exist_ok=True)
        self.brought.set(ollama_cli.run(part.path, url, model, errand, home))

    def _place_of(self, errand: str, server: str) -> tuple[str, str]:
        deed = ollama_cli.change(errand)
        if deed is not None and server == GATEWAY and self._stack is not None:
            route = self._own_route(server)
            return route.url, route.model
        if deed is not None:
            self.lineup.require_ours(server, deed)
        if errand == ollama_cli.SHOW:
            self.lineup.require_told(server)
        if ollama_cli.talks(errand):
            self.lineup.require_speaking(server)
        return self.lineup.address(server)

    def use_adapter(self, journey: str, server: str) -> None:
        """LangChain's adapter of the API that most users of a server use."""
        lacking = langchain.missing()
        if lacking is not None:
            raise NotOffered(f"needs {lacking}; `uv sync --group clients` installs it")
        self.lineup.require_speaking(server)
        route = self.lineup.route(server)
        self.brought.set(langchain.travel(route.form.api, route.url, route.model, journey, route.key))

    # -- a trained model

    def ask_trained(self, messages: Sequence[Message], question: str) -> None:
        """Ask SmolLM2 in both engines."""
        talk = self.talk(messages, question, limit=TRAINED_LIMIT)
        within = self.suite.settings.seconds(2 * self.within)
        self.trained_said = tuple(route.ask(talk, within=within) for route in self.trained())

    def require_prompt_tokens(self, *, same: bool) -> None:
        """Both counted the same tokens of the prompt, or mistral.rs more of them."""
        ours, theirs = (said.prompt_tokens or 0 for said in self.trained_said)
        held = ours == theirs if same else ours > theirs
        words = "the same number of" if same else "more"
        assert held, f"expected {words} prompt tokens on {DIRECT}: {ours}, on {REAL}: {theirs}"

    def _require_none(self, failure: AssertionError | None) -> None:
        if failure is not None:
            with self._or_given_up():
                raise failure

    @contextlib.contextmanager
    def _or_given_up(self) -> Iterator[None]:
        """A server that fails here may be at work for nobody for a long time: no other scenario gets it."""
        try:
            yield
        except AssertionError:
            self.suite.stacks.discard(LEAVING)
            raise
