"""Which servers of a run can be compared with each other, and what a scenario may do to each.

Scripted answers are expected of a server with the suite's scripted model only. Answers of two servers are
compared when both serve the same model: the scripted one, or the one behind a gateway. A server that was
there before the run is never changed: its user works with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from support.chat.client import OLLAMA_CHAT, OLLAMA_GENERATE, OPENAI_CHAT, ChatEndpoint, ChatRequest
from support.chat.model_lists import listed_name
from support.errors import NotSupported
from support.http.exchange import Exchange
from support.models.roles import SCRIPTED
from support.results.program_version import GATEWAY as BUNDLED
from support.scenario import ScenarioContext
from support.servers.dedicated import DIRECT, GATEWAY, REAL
from support.servers.discovery import CommandTarget, UrlTarget
from support.servers.ollama_backends import OllamaBackend
from support.servers.served_model import PROBE_TOKENS, answer_text, is_another_model, other_model_reason
from support.settings import redact_url


class ComparedEndpoints:
    """The servers of the run in one scenario. `timeout`: seconds for an answer.

    A server of the suite that is used has to stay alive, and each is recorded as a component under test.
    """

    def __init__(self, context: ScenarioContext, timeout: float) -> None:
        self._context = context
        self._suite = context.suite
        self._timeout = timeout
        self._backends: dict[str, OllamaBackend] = {}

    # -- endpoints

    def direct(self) -> ChatEndpoint:
        """The OpenAI API of mistral.rs itself."""
        target = self._suite.target
        self._context.record_component(target.program, target.version)
        if isinstance(target, UrlTarget):
            key = self._suite.settings.api_key
            return ChatEndpoint(DIRECT, target.url, target.model_name, OPENAI_CHAT, key)
        server = self._suite.servers.get(self._suite.scripted())
        self._context.require_alive(server)
        return ChatEndpoint(DIRECT, server.url, target.model_name, OPENAI_CHAT)

    def openai(self, server: str) -> ChatEndpoint:
        """The OpenAI API of a server, with the model name from its own list."""
        if server == DIRECT:
            return self.direct()
        url, name = self.address(server)
        return ChatEndpoint(f"{server} (OpenAI API)", url, listed_name(url, name, self._timeout), OPENAI_CHAT)

    def native(self, server: str) -> list[ChatEndpoint]:
        """The Ollama API of a server: `/api/chat` and `/api/generate`."""
        url, model = self.address(server)
        return [
            ChatEndpoint(f"{server} (chat)", url, model, OLLAMA_CHAT),
            ChatEndpoint(f"{server} (generate)", url, model, OLLAMA_GENERATE),
        ]

    def endpoint(self, server: str) -> ChatEndpoint:
        """The endpoint that most users of a server use."""
        return self.direct() if server == DIRECT else self.native(server)[0]

    def address(self, server: str) -> tuple[str, str]:
        """URL and model of a server of the Ollama API."""
        backend = self.backend(server)
        return backend.url, backend.names[SCRIPTED]

    def backend(self, server: str) -> OllamaBackend:
        """The server of the Ollama API by its name in the features; raises `StartFailure`, `TargetError`."""
        if server not in self._backends:
            backends = self._suite.ollama_backends
            self._backends[server] = backends.gateway() if server == GATEWAY else backends.real()
        backend = self._backends[server]
        if backend.program == BUNDLED:
            # It passes on the defects of the target.
            self._context.record_component(self._suite.target.program, self._suite.target.version)
        self._context.record_component(backend.program, backend.version)
        return backend

    # -- requirements

    def require_managed(self, server: str, mutation: str) -> None:
        """Raise `NotSupported` when the server was there before the run. `mutation`: what would change it."""
        started = server == DIRECT or self.backend(server).process is not None
        # A change of a gateway is one of the server behind it.
        if not started or (server != REAL and not self._started):
            place = self._location(server) if not started else "the server behind the gateway"
            raise NotSupported(f"{place} was there before this run, and {mutation} would change it")

    def require_scripted(self, server: str) -> None:
        """Raise `NotSupported` when it serves another model than the suite's scripted one."""
        if self._has_suite_model(server):
            return
        endpoint = self.endpoint(server)
        answer = self._probe_answer(endpoint)
        if is_another_model(answer, endpoint.model, self._suite.script):
            raise NotSupported(other_model_reason(self._location(server), answer_text(answer)))

    def require_same_model(self, servers: Sequence[str]) -> None:
        """Raise `NotSupported` when the answers of these servers cannot be compared: their models differ."""
        if set(servers) == {DIRECT, GATEWAY} and self._gateway_of_target:
            return
        for server in servers:
            self.require_scripted(server)

    @property
    def _gateway_of_target(self) -> bool:
        """True of the bundled one; assumed of the user's own when the target is the user's, too."""
        backend = self.backend(GATEWAY)
        return self._is_gateway_of_suite(backend) or (not self._started and not backend.created)

    @staticmethod
    def _is_gateway_of_suite(backend: OllamaBackend) -> bool:
        return backend.program == BUNDLED and backend.process is not None

    @property
    def _started(self) -> bool:
        return isinstance(self._suite.target, CommandTarget)

    def _location(self, server: str) -> str:
        target = self._suite.target
        if server != DIRECT:
            return f"{server} at {redact_url(self.backend(server).url)}"
        return f"{server} at {redact_url(target.url)}" if isinstance(target, UrlTarget) else server

    def _has_suite_model(self, server: str) -> bool:
        if server == DIRECT:
            return self._started
        backend = self.backend(server)
        return bool(backend.created) or (backend.process is not None and (server == REAL or self._started))

    def _probe_answer(self, endpoint: ChatEndpoint) -> Exchange:
        """The answer to the first row of the script, requested once in a run."""
        row = self._suite.script.rows[0]
        request = ChatRequest(({"role": "user", "content": row.keyword},), limit=PROBE_TOKENS)
        answers = self._suite.probe_answers
        if endpoint.url not in answers:
            answers[endpoint.url] = endpoint.ask(request, timeout=self._timeout).exchange
        return answers[endpoint.url]
