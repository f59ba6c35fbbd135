"""What the steps of parity ask for: each tries one thing over the routes of the run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from support.errors import NotOffered
from support.parity import adapters, command, crowd, faults, fuzz, leaving, names
from support.parity.asking import ask_all
from support.parity.fuzz import Fuzzed
from support.parity.room import Room
from support.parity.routes import OPENAI_CHAT, Message, Route, Said
from support.parity.stacks import DIRECT, GATEWAY, REAL, Stack
from support.parts.ollama import OLLAMA
from support.reporting.evidence import repeating
from support.reporting.verdict import Evidence
from support.target.server import Server, start_server
from support.target.starts import arguments_of

NEIGHBOUR, NEIGHBOUR_LIMIT = "Tell me about the story", 100
# Beyond this a short answer did wait for somebody else's.
PROMPT_SECONDS = 10.0
GONE_SECONDS = 2.0
# So many tokens of a trained model, which is slow on two cores: the prompt is what counts here.
TRAINED_LIMIT = 2
# A made-up question has no scripted answer, and so none that ends: it ends with the context.
SHORT_CONTEXT = 512
# Fewer made-up requests would say little.
LEAST_REQUESTS = 100


class Desk(Room):
    """One scenario's tries. What came of each is to be looked at: `answers`, or `verdict`."""

    _stack: Stack | None = None
    trained_said: tuple[Said, ...] = ()

    @property
    def own(self) -> Stack:
        """The server and the gateway that a Given step has started."""
        assert self._stack is not None, "a step that starts a server has to come first"
        return self._stack

    def begin(self, at_once: int = 32) -> None:
        """Start a server and a gateway that nobody else uses."""
        self._stack = self.stack(at_once=at_once)

    def begin_shared(self) -> None:
        """Take the server and gateway that scenarios of this kind share."""
        self._stack = self.shared_stack()

    def ask(
        self, messages: Sequence[Message], question: str, options: Mapping[str, Any] | None = None
    ) -> None:
        """Ask every route, for a whole answer and for a stream."""
        talk = self.talk(messages, question, **(options or {}))
        self.answers.set(ask_all(self.routes(), talk, self.within))

    def crowd(self, users: int, server: str, *, stream: bool) -> None:
        """Many users at once."""
        route = self.route(server)
        came = crowd.ask_at_once(route, self.marks, users, stream=stream, within=self.within)
        self.verdict.set(came.require_own_answers)

    def mistake(self, mistake: str, api: str, server: str | None = None) -> None:
        """Send the same mistake to one server of an API, or to all."""
        routes = self.ollama_routes() if api == "Ollama" else self.openai_routes(server or DIRECT)
        refused = faults.refusals(routes, mistake, self.within)
        self.verdict.set(partial(faults.require_form, refused, api))

    def leave(self, server: str, *, stream: bool) -> None:
        """Leave half-way; the server has to stop its work."""
        within = self.suite.settings.seconds(GONE_SECONDS)
        route = self.own.route(server)
        self._try(lambda: leaving.leave_half_way(route, self.own, stream=stream, within=within))

    def leave_beside(self, server: str) -> None:
        """Leave half-way beside somebody whose answer is being made."""
        route, talk = self.own.route(server), self.talk((), NEIGHBOUR, limit=NEIGHBOUR_LIMIT)
        self._try(lambda: leaving.leave_beside_a_neighbour(route, talk, within=self.within))

    def slow_reader(self, server: str, users: int) -> None:
        """Others ask while somebody does not read on."""
        route, within = self.own.route(server), self.suite.settings.seconds(PROMPT_SECONDS)
        self._try(lambda: leaving.ask_beside_a_slow_reader(route, users, within))

    def fill(self, server: str, users: int) -> None:
        """More users than the server takes."""
        outcomes = leaving.fill(self.own.route(server), users, self.within)
        self.verdict.set(partial(leaving.require_served_or_busy, outcomes))

    def unload(self, server: str) -> None:
        """Unload through one; the other one has to see it."""
        direct, gateway = self.client(self.own.direct), self.client(self.own.gateway)
        self.own.gateway.ask(names.QUESTION, within=self.within)
        if server == GATEWAY:
            names.unload_through_gateway(self.own.gateway)
            self.verdict.set(partial(names.require_unloaded, direct))
        else:
            names.unload(direct)
            self.verdict.set(partial(names.require_gone, gateway))

    def unload_and_reload(self) -> None:
        """Have the model unloaded and loaded; every name has to answer as before."""
        client = self.client(self.own.direct)
        expected = self.scripted(names.QUESTION)
        names.require_all_answer(client, expected)
        names.unload(client)
        names.reload(client)
        self.verdict.set(partial(names.require_all_answer, client, expected))

    def read_lists(self) -> None:
        """What each server lists: one model, under whatever names."""
        stack = self.own
        direct, gateway = self.client(stack.direct), self.client(stack.gateway)
        self.verdict.set(
            partial(
                names.require_as_many,
                {
                    f"{DIRECT}, OpenAI API": names.openai_names(direct),
                    f"{GATEWAY}, OpenAI API": names.openai_names(gateway),
                    f"{GATEWAY}, Ollama API": names.ollama_names(gateway),
                },
            )
        )

    def fuzz(self, seconds: float) -> None:
        """Made-up requests, once a run; what they brought about is kept as evidence."""
        lacking = fuzz.missing()
        if lacking is not None:
            raise NotOffered(f"needs {lacking}; `uv sync --group fuzz` installs it")
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
        return fuzz.fuzz(server.url, server.folder, seconds, lambda: server.alive)

    def wish(self) -> None:
        """Ask for more answers than there is memory for; the server has to say that it does not."""
        server = self._bounded()
        route = Route(DIRECT, server.url, "default", OPENAI_CHAT)
        client = self._cleanups.enter_context(contextlib.closing(route.client(fuzz.ANSWER_SECONDS)))
        self.verdict.set(fuzz.wish(client))
        self.evidence.append(Evidence.text("how to repeat it", repeating(client.exchanges), "repeat.sh"))
        self.made_up.set(fuzz.judged(client.exchanges, 1, alive=server.alive))

    def _bounded(self) -> Server:
        """A server of its own whose answers are short, and that cannot take the machine's memory."""
        file = self.suite.models.speaking(self.suite.script, context=SHORT_CONTEXT)
        server = start_server(self.suite.command, arguments_of(file), self.suite.settings)
        self._cleanups.callback(server.stop)
        fuzz.bound_memory(server.process.pid)
        return server

    def type_command(self, errand: str, server: str) -> None:
        """Ollama's own command on a server."""
        part = OLLAMA.locate(self.suite.settings)
        if part is None:
            raise NotOffered(
                "needs the program ollama; `acceptance get ollama` builds one, or set OLLAMA_BIN"
            )
        url, model = self.address(server)
        home = self.suite.folder / "ollama-home"
        home.mkdir(exist_ok=True)
        self.verdict.set(command.run(part.path, url, model, errand, home).require_done)

    def use_adapter(self, journey: str, server: str) -> None:
        """LangChain's adapter of the API that most users of a server use."""
        lacking = adapters.missing()
        if lacking is not None:
            raise NotOffered(f"needs {lacking}; `uv sync --group clients` installs it")
        route = self.route(server)
        api = "OpenAI" if server == DIRECT else "Ollama"
        self.verdict.set(adapters.travel(api, route.url, route.model, journey, route.key).require_arrived)

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

    def _try(self, work: Callable[[], object]) -> None:
        """Keep what goes wrong for the step that looks at it."""
        failure: AssertionError | None = None
        try:
            work()
        except AssertionError as error:
            failure = error
            # It may be at work for nobody for a long time.
            self.suite.stacks.discard()

        def verdict() -> None:
            if failure is not None:
                raise failure

        self.verdict.set(verdict)
