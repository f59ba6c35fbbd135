"""The servers of a run: whose each of them is, and what may truthfully be asked of it.

Exact words may be expected of a server with the suite's scripted model. Answers of two servers may be
compared when both serve the same model: the speaking one, or whatever is served behind a gateway. And what
was there before the run is asked, never changed: a user works with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import cached_property

from support.chat.client import (
    OLLAMA_CHAT,
    OLLAMA_GENERATE,
    OPENAI_CHAT,
    ChatEndpoint,
    ChatRequest,
)
from support.chat.model_lists import listed_name
from support.errors import NotSupported
from support.models.roles import SCRIPTED
from support.scenario import ScenarioContext
from support.servers.dedicated import DIRECT, GATEWAY, REAL
from support.servers.discovery import CommandTarget, UrlTarget
from support.servers.ollama_backends import GATEWAY as BUNDLED
from support.servers.ollama_backends import OllamaBackend
from support.settings import redact_url

SERVE_SUITE_MODEL = "serve the model that `acceptance model` prints"
# Two texts that are more alike than this are one scripted answer, spoilt or not; another model's is not.
SIMILARITY_THRESHOLD = 0.7
PROBE_TOKENS = 64


class ComparedEndpoints:
    """The servers of the run, as one scenario uses them. `timeout`: seconds for an answer.

    Servers of the suite have to stay alive from then on, and each server is recorded as judged.
    """

    def __init__(self, context: ScenarioContext, timeout: float) -> None:
        self._context = context
        self._suite = context.suite
        self._timeout = timeout

    # -- routes

    def direct(self) -> ChatEndpoint:
        """mistral.rs itself, in OpenAI's API."""
        target = self._suite.target
        self._context.record_component(target.program, target.version)
        if isinstance(target, UrlTarget):
            key = self._suite.settings.api_key
            return ChatEndpoint(DIRECT, target.url, self._suite.model_name, OPENAI_CHAT, key)
        server = self._suite.servers.get(self._suite.scripted())
        self._context.require_alive(server)
        return ChatEndpoint(DIRECT, server.url, self._suite.model_name, OPENAI_CHAT)

    def openai(self, server: str) -> ChatEndpoint:
        """The OpenAI API of a server, with the name that its own list gives the model."""
        if server == DIRECT:
            return self.direct()
        front = self.backend(server)
        model = listed_name(front.url, front.names[SCRIPTED], self._timeout)
        return ChatEndpoint(f"{server} (OpenAI API)", front.url, model, OPENAI_CHAT)

    def native(self, server: str) -> list[ChatEndpoint]:
        """Ollama's API of a server: its chats, and its texts."""
        url, model = self.address(server)
        return [
            ChatEndpoint(f"{server} (chat)", url, model, OLLAMA_CHAT),
            ChatEndpoint(f"{server} (generate)", url, model, OLLAMA_GENERATE),
        ]

    def endpoint(self, server: str) -> ChatEndpoint:
        """The way in which most users of a server ask it."""
        return self.direct() if server == DIRECT else self.native(server)[0]

    def address(self, server: str) -> tuple[str, str]:
        """Address and model of a server of Ollama's API."""
        front = self.backend(server)
        return front.url, front.names[SCRIPTED]

    def backend(self, server: str) -> OllamaBackend:
        """The server of Ollama's API by its name in the features; raises `StartFailure`, `TargetError`."""
        front = self._gateway if server == GATEWAY else self._real
        self._context.record_component(front.program, front.version)
        return front

    @cached_property
    def _gateway(self) -> OllamaBackend:
        front = self._suite.ollama_backends.gateway()
        if front.program == BUNDLED:
            # It hands on what the target does wrong.
            self._context.record_component(self._suite.target.program, self._suite.target.version)
        return front

    @cached_property
    def _real(self) -> OllamaBackend:
        return self._suite.ollama_backends.real()

    # -- what may be asked

    def require_managed(self, server: str, mutation: str) -> None:
        """Raise `NotSupported` when the server was there before the run. `deed`: what would be done to it."""
        started = server == DIRECT or self.backend(server).process is not None
        # What is done to a gateway is done to the server behind it.
        if not started or (server != REAL and not self._started):
            place = self._location(server) if not started else "the server behind the gateway"
            raise NotSupported(f"{place} was there before this run, and {mutation} would change it")

    def require_managed_gateway(self) -> None:
        """Raise `NotSupported` when the gateway of this run cannot be put before a server of the suite."""
        if self._suite.ollama_backends.kind not in ("gateway", "ollama"):
            raise NotSupported(
                f"{self._location(GATEWAY)} stands before a server that was there already; what may hurt a "
                "server is tried with the bundled gateway only (leave ollama_api out)"
            )

    def require_model_metadata(self, server: str) -> None:
        """Raise `NotSupported` when nobody told the bundled gateway more of the model than its name."""
        if server == GATEWAY and self.backend(server).program == BUNDLED and not self._started:
            raise NotSupported(
                "the bundled gateway does not have the file of a model that was served before this run, "
                "and so tells its name only, as docs/gateway.md says"
            )

    def require_scripted(self, server: str) -> None:
        """Raise `NotSupported` when it serves another model than the suite's speaking one."""
        if self._has_suite_model(server):
            return
        said = self._probe_answer(server)
        if not self._is_scripted_answer(said):
            raise NotSupported(
                f"{self._location(server)} serves another model than the suite's (it said {said[:60]!r}); "
                f"{SERVE_SUITE_MODEL}"
            )

    def require_same_model(self, servers: Sequence[str]) -> None:
        """Raise `NotSupported` when answers of these servers must not be compared: their models differ."""
        if set(servers) == {DIRECT, GATEWAY} and self._gateway_of_target:
            return
        for server in servers:
            self.require_scripted(server)

    @property
    def _gateway_of_target(self) -> bool:
        """The bundled one is; a user's own is taken for it when the target is a server of the user's, too."""
        front = self.backend(GATEWAY)
        return front.program == BUNDLED or (not self._started and not front.created)

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
        front = self.backend(server)
        return bool(front.created) or (front.process is not None and (server == REAL or self._started))

    def _probe_answer(self, server: str) -> str:
        """The answer to the first row of the script, requested once in a run."""
        endpoint = self.endpoint(server)
        row = self._suite.script.rows[0]
        request = ChatRequest(({"role": "user", "content": row.keyword},), limit=PROBE_TOKENS)
        return self._suite.run_cache.once(
            ("probe answer", endpoint.url), lambda: endpoint.ask(request, timeout=self._timeout).text
        )

    def _is_scripted_answer(self, answer: str) -> bool:
        return SequenceMatcher(None, answer, self._suite.script.rows[0].answer).ratio() > SIMILARITY_THRESHOLD
