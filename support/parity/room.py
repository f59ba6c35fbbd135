"""What a scenario of parity has at hand: the routes of the run, servers of its own, and what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from support.http.client import ApiClient
from support.models.files import ModelFiles
from support.observed import Observed
from support.parity.asking import Answers
from support.parity.fuzz import Fuzzed
from support.parity.routes import (
    OLLAMA_CHAT,
    OLLAMA_GENERATE,
    OPENAI_CHAT,
    Message,
    Route,
    Talk,
    first_listed,
)
from support.parity.stacks import DIRECT, GATEWAY, REAL, Stack, start_stack
from support.reporting.verdict import Evidence
from support.target.discovery import UrlTarget
from support.target.fronts import SPEAKING, OllamaFront
from support.target.ollama import create_model, delete_models
from support.target.server import Server, start_server
from support.target.starts import arguments_of

if TYPE_CHECKING:
    from support.suite import Suite

ANSWER_SECONDS = 30.0
MAKE_SECONDS = 60.0
# Rows of the script that are too long to be asked for by a crowd, or have no end.
NOT_FOR_A_CROWD = ("story", "forever")


class Room:
    """Fresh for each scenario; `cleanups` and `evidence` are the scenario's.

    `watch` is told of servers that have to live.
    """

    def __init__(
        self,
        suite: Suite,
        cleanups: ExitStack,
        watch: Callable[[Server], None],
        evidence: list[Evidence],
    ) -> None:
        self.suite = suite
        self.evidence = evidence
        self._cleanups = cleanups
        self._watch = watch
        self.answers: Observed[Answers] = Observed("answers of the routes")
        # It looks at what came and raises AssertionError with what is wrong.
        self.made_up: Observed[Fuzzed] = Observed("outcome of made-up requests")
        self.verdict: Observed[Callable[[], None]] = Observed("outcome of what was tried")

    # -- routes

    @property
    def within(self) -> float:
        """Seconds for a whole answer."""
        return self.suite.settings.seconds(ANSWER_SECONDS)

    @property
    def file(self) -> Path:
        """The speaking model's file."""
        return self.suite.models.speaking(self.suite.script).path

    def openai_routes(self, *servers: str) -> list[Route]:
        """The OpenAI APIs of these servers."""
        made: dict[str, Callable[[], Route]] = {
            DIRECT: self._direct,
            GATEWAY: lambda: _openai_half(self._gateway, GATEWAY, self.within),
            REAL: lambda: _openai_half(self._real, REAL, self.within),
        }
        return [made[server]() for server in servers]

    def ollama_routes(self) -> list[Route]:
        """The native APIs of the gateway and of a real Ollama."""
        return [*_native(self._gateway, GATEWAY), *_native(self._real, REAL)]

    def routes(self) -> list[Route]:
        """Every way there is."""
        return [*self.openai_routes(DIRECT, GATEWAY, REAL), *self.ollama_routes()]

    def route(self, server: str) -> Route:
        """The way in which most users of a server ask it."""
        return self._direct() if server == DIRECT else _native(self._front(server), server)[0]

    def _direct(self) -> Route:
        target, key = self.suite.target, self.suite.settings.target_api_key
        if isinstance(target, UrlTarget):
            secret = key.get_secret_value() if key else None
            return Route(DIRECT, target.url, self.suite.model_name, OPENAI_CHAT, secret)
        server = self.suite.servers.get(self.suite.speaking())
        self._watch(server)
        return Route(DIRECT, server.url, self.suite.model_name, OPENAI_CHAT)

    @cached_property
    def _gateway(self) -> OllamaFront:
        return self.suite.fronts.gateway()

    @cached_property
    def _real(self) -> OllamaFront:
        return self.suite.fronts.real()

    def _front(self, server: str) -> OllamaFront:
        return self._gateway if server == GATEWAY else self._real

    def address(self, server: str) -> tuple[str, str]:
        """Address and model of a server of the Ollama API."""
        front = self._front(server)
        return front.url, front.names[SPEAKING]

    def client(self, route: Route) -> ApiClient:
        """A client that is closed with the scenario."""
        return self._cleanups.enter_context(contextlib.closing(route.client(self.within)))

    # -- talks

    def talk(self, messages: Sequence[Message], question: str, **more: object) -> Talk:
        """A conversation that ends with this question."""
        whole = (*messages, {"role": "user", "content": question})
        rendered = self.suite.compiled.prompt([dict(message) for message in whole])
        limit, stop = more.get("limit"), more.get("stop")
        fields: dict[str, object] = {"limit": limit} if limit else {}
        fields |= {"stop": (stop,)} if stop else {}
        return Talk(whole, rendered=rendered, **fields)  # type: ignore[arg-type]

    def scripted(self, talk: Talk) -> str:
        """What the script says to it."""
        return self.suite.script.answer_to("\n".join(message["content"] for message in talk.messages)).answer

    @property
    def marks(self) -> Mapping[str, str]:
        """Marks that a crowd may ask about, with their answers: the first rows of the script."""
        rows = [row for row in self.suite.script.rows if row.marker not in NOT_FOR_A_CROWD]
        return {row.marker: row.answer for row in rows[:16]}

    # -- servers of its own

    def stack(self, *, at_once: int = 32) -> Stack:
        """A server that nobody else uses, for so many requests at once, with a gateway in front of it."""
        stack = start_stack(self.suite, at_once)
        self._cleanups.callback(stack.stop)
        self._watch(stack.server)
        return stack

    def shared_stack(self) -> Stack:
        """The one that scenarios share which leave it as it was."""
        stack = self.suite.stacks.get(lambda: start_stack(self.suite))
        self._watch(stack.server)
        return stack

    def trained(self) -> tuple[Route, Route]:
        """SmolLM2 in mistral.rs and in a real Ollama, which forgets it afterwards."""
        model: ModelFiles = self.suite.models.smollm2()
        server = start_server(self.suite.command, arguments_of(model), self.suite.settings)
        self._cleanups.callback(server.stop)
        self._watch(server)
        url, name = self._real.url, "acceptance-smollm2"
        client = self._cleanups.enter_context(contextlib.closing(ApiClient(url, within=MAKE_SECONDS)))
        create_model(client, name, model.path)
        self._cleanups.callback(delete_models, client, [name])
        return Route(DIRECT, server.url, "default", OPENAI_CHAT), Route(REAL, url, name, OLLAMA_CHAT)


def _native(front: OllamaFront, name: str) -> list[Route]:
    model = front.names[SPEAKING]
    return [
        Route(f"{name} (chat)", front.url, model, OLLAMA_CHAT),
        Route(f"{name} (generate)", front.url, model, OLLAMA_GENERATE),
    ]


def _openai_half(front: OllamaFront, name: str, within: float) -> Route:
    """Under the name that its list gives first, which is what a client would take."""
    listed = front.names[SPEAKING] if name == REAL else first_listed(front.url, None, within)
    return Route(f"{name} (OpenAI API)", front.url, listed, OPENAI_CHAT)
