"""What a scenario of parity has at hand: the servers of the run, servers of its own, and what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from support.chat.comparability import Lineup
from support.chat.endpoint import OLLAMA_CHAT, OPENAI_CHAT, Message, Route, Talk
from support.chat.parity import Answers
from support.faults.fuzzing import Fuzzed
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.models.files import ModelFiles
from support.models.llama import chat_prompt
from support.results.must_check import Observed
from support.results.outcome import Evidence
from support.servers.dedicated import DIRECT, REAL, Stack, start_stack
from support.servers.launch_plans import arguments_of
from support.servers.mistralrs import Server, start_server
from support.servers.ollama import create_model, delete_models

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
        self._clients: list[ApiClient] = []
        self.lineup = Lineup(suite, watch, self.within)
        self.answers: Observed[Answers] = Observed("answers of the routes")
        self.made_up: Observed[Fuzzed] = Observed("outcome of made-up requests")

    @property
    def within(self) -> float:
        """Seconds for a whole answer."""
        return self.suite.settings.seconds(ANSWER_SECONDS)

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Program and version of what this scenario has judged."""
        return self.lineup.asked

    def client(self, route: Route) -> ApiClient:
        """A client that is closed with the scenario."""
        client = self._cleanups.enter_context(contextlib.closing(route.client(self.within)))
        self._clients.append(client)
        return client

    @property
    def exchanges(self) -> list[Exchange]:
        """What was sent and what came: by the scenario's clients, and over each route that was asked."""
        said = [one for answers in self.answers.all() for one in (*answers.whole, *answers.streamed)]
        by_clients = [exchange for client in self._clients for exchange in client.exchanges]
        return [*by_clients, *(one.exchange for one in said)]

    # -- talks

    def talk(self, messages: Sequence[Message], question: str, **more: object) -> Talk:
        """A conversation that ends with this question."""
        whole = (*messages, {"role": "user", "content": question})
        rendered = chat_prompt(whole)
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
        return self._judged(stack)

    def shared_stack(self, use: str) -> Stack:
        """The one that scenarios share which do the same to it."""
        return self._judged(self.suite.stacks.get(use, lambda: start_stack(self.suite)))

    def _judged(self, stack: Stack) -> Stack:
        self.lineup.note(self.suite.target.program, self.suite.target.version)
        self._watch(stack.server)
        return stack

    def trained(self) -> tuple[Route, Route]:
        """SmolLM2 in mistral.rs and in a real Ollama, which forgets it afterwards."""
        model: ModelFiles = self.suite.models.smollm2()
        server = start_server(self.suite.command, arguments_of(model), self.suite.settings)
        self._cleanups.callback(server.stop)
        self.lineup.note(self.suite.target.program, self.suite.target.version)
        self._watch(server)
        (url, _), name = self.lineup.address(REAL), "acceptance-smollm2"
        client = self._cleanups.enter_context(contextlib.closing(ApiClient(url, within=MAKE_SECONDS)))
        create_model(client, name, model.path)
        self._cleanups.callback(delete_models, client, [name])
        return Route(DIRECT, server.url, "default", OPENAI_CHAT), Route(REAL, url, name, OLLAMA_CHAT)
