"""What a scenario of parity has at hand: the servers of the run, servers of its own, and what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from support.chat.comparability import ComparedEndpoints
from support.chat.endpoint import OLLAMA_CHAT, OPENAI_CHAT, ChatEndpoint, ChatRequest, Message
from support.chat.parity import ComparedAnswers
from support.faults.fuzzing import FuzzReport
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.models.files import ModelFiles
from support.models.llama import chat_prompt
from support.results.must_check import MustCheck
from support.results.outcome import Evidence
from support.servers.dedicated import DIRECT, REAL, ServerWithGateway, start_server_with_gateway
from support.servers.launch_plans import arguments_of
from support.servers.mistralrs import Server, start_server
from support.servers.ollama import create_model, delete_models

if TYPE_CHECKING:
    from support.suite import RunContext

ANSWER_SECONDS = 30.0
CREATE_SECONDS = 60.0
# Rows of the script that are too long to be asked for by a crowd, or have no end.
EXCLUDED_KEYWORDS = ("story", "forever")


class ScenarioBase:
    """Fresh for each scenario; `cleanups` and `evidence` are the scenario's.

    `watch` is told of servers that have to live.
    """

    def __init__(
        self,
        suite: RunContext,
        cleanups: ExitStack,
        require_alive: Callable[[Server], None],
        evidence: list[Evidence],
    ) -> None:
        self.suite = suite
        self.evidence = evidence
        self._cleanups = cleanups
        self._require_alive = require_alive
        self._clients: list[ApiClient] = []
        self.endpoints = ComparedEndpoints(suite, require_alive, self.answer_timeout)
        self.answers: MustCheck[ComparedAnswers] = MustCheck("answers of the routes")
        self.fuzz_report: MustCheck[FuzzReport] = MustCheck("outcome of made-up requests")

    @property
    def answer_timeout(self) -> float:
        """Seconds for a whole answer."""
        return self.suite.settings.seconds(ANSWER_SECONDS)

    @property
    def versions(self) -> list[tuple[str, str]]:
        """Program and version of what this scenario has judged."""
        return self.endpoints.versions

    def client(self, endpoint: ChatEndpoint) -> ApiClient:
        """A client that is closed with the scenario."""
        client = self._cleanups.enter_context(contextlib.closing(endpoint.client(self.answer_timeout)))
        self._clients.append(client)
        return client

    @property
    def exchanges(self) -> list[Exchange]:
        """What was sent and what came: by the scenario's clients, and over each route that was asked."""
        said = [one for answers in self.answers.all() for one in (*answers.whole, *answers.streamed)]
        by_clients = [exchange for client in self._clients for exchange in client.exchanges]
        return [*by_clients, *(one.exchange for one in said)]

    # -- talks

    def chat_request(self, messages: Sequence[Message], question: str, **more: object) -> ChatRequest:
        """A conversation that ends with this question."""
        whole = (*messages, {"role": "user", "content": question})
        rendered = chat_prompt(whole)
        limit, stop = more.get("limit"), more.get("stop")
        fields: dict[str, object] = {"limit": limit} if limit else {}
        fields |= {"stop": (stop,)} if stop else {}
        return ChatRequest(whole, rendered=rendered, **fields)  # type: ignore[arg-type]

    def expected_answer(self, chat_request: ChatRequest) -> str:
        """What the script says to it."""
        return self.suite.script.answer_to(
            "\n".join(message["content"] for message in chat_request.messages)
        ).answer

    @property
    def keywords(self) -> Mapping[str, str]:
        """Marks that a crowd may ask about, with their answers: the first rows of the script."""
        rows = [row for row in self.suite.script.rows if row.keyword not in EXCLUDED_KEYWORDS]
        return {row.keyword: row.answer for row in rows[:16]}

    # -- servers of its own

    def dedicated_server(self, *, max_seqs: int = 32) -> ServerWithGateway:
        """A server that nobody else uses, for so many requests at once, with a gateway in front of it."""
        stack = start_server_with_gateway(self.suite, max_seqs)
        self._cleanups.callback(stack.stop)
        return self._under_test(stack)

    def shared_server(self, use: str) -> ServerWithGateway:
        """The one that scenarios share which do the same to it."""
        return self._under_test(
            self.suite.shared_servers.get(use, lambda: start_server_with_gateway(self.suite))
        )

    def _under_test(self, dedicated: ServerWithGateway) -> ServerWithGateway:
        self.endpoints.record_version(self.suite.target.program, self.suite.target.version)
        self._require_alive(dedicated.server)
        return dedicated

    def trained_endpoints(self) -> tuple[ChatEndpoint, ChatEndpoint]:
        """SmolLM2 in mistral.rs and in a real Ollama, which forgets it afterwards."""
        model: ModelFiles = self.suite.models.smollm2()
        server = start_server(self.suite.command, arguments_of(model), self.suite.settings)
        self._cleanups.callback(server.stop)
        self.endpoints.record_version(self.suite.target.program, self.suite.target.version)
        self._require_alive(server)
        (url, _), name = self.endpoints.address(REAL), "acceptance-smollm2"
        client = self._cleanups.enter_context(contextlib.closing(ApiClient(url, timeout=CREATE_SECONDS)))
        create_model(client, name, model.path)
        self._cleanups.callback(delete_models, client, [name])
        return ChatEndpoint(DIRECT, server.url, "default", OPENAI_CHAT), ChatEndpoint(
            REAL, url, name, OLLAMA_CHAT
        )
