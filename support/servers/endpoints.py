"""Which server of this run offers an API with a model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from support.errors import AcceptanceError, NotSupported, TargetError
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.models.roles import ROLES
from support.programs.launcher import LaunchedProgram
from support.servers.capabilities import unmet_capability
from support.servers.command_line import ModelArguments
from support.servers.discovery import CommandTarget, UrlTarget, discover
from support.servers.endpoint import Endpoint
from support.servers.mistralrs import start_server
from support.servers.ollama_backends import (
    NEEDS_OLLAMA,
    OllamaBackend,
    OllamaBackends,
    ServerProcess,
)
from support.servers.pool import ServerPool
from support.servers.post_mortem import PostMortem, post_mortem
from support.settings import Settings

# What a server has to be able to for one of the suite's models.
MODEL_REQUIREMENTS = {"embedding": {"needs.embeddings"}}

# Of the answer that shows which model a server has.
PROBE_TOKENS = 64
# APIs that mistral.rs serves itself.
NATIVE_APIS = ("openai", "responses", "anthropic")
# Why a response of a server of the Ollama API reports a feature that the server is known not to have.
UnsupportedReason = Callable[[Exchange], str | None]


@dataclass(frozen=True)
class Endpoints:
    """The endpoints of a run. `model_name`: what to request from a target that is a URL.

    `arguments`: role of a model -> the model. `pool` and `backends` are created on first use. `scripted_file`
    gives the GGUF file of the scripted model. `unsupported_reason`: None for a server of which nothing is
    listed. `components`: program and version of everything behind the Ollama API.
    """

    target: CommandTarget | UrlTarget
    settings: Settings
    model_name: str
    arguments: Callable[[str], ModelArguments]
    pool: Callable[[], ServerPool]
    backends: Callable[[], OllamaBackends]
    scripted_file: Callable[[], Path]
    unsupported_reason: Callable[[OllamaBackend], UnsupportedReason | None]
    components: Callable[[], Collection[tuple[str, str]]]

    def get(self, api: str, model: str) -> tuple[Endpoint, ServerProcess | None]:
        """The server under test of an API with a model, and its process if the suite started it."""
        if api in NATIVE_APIS:
            return self._target_endpoint(api, model)
        backend = self.backends().under_test(model)
        endpoint = self.of_backend(backend, model)
        return replace(endpoint, components=tuple(self.components())), backend.process

    def dedicated(self, api: str, model: str, cleanups: ExitStack) -> tuple[Endpoint, LaunchedProgram]:
        """A server that is used for nothing else; it ends with `cleanups`. The target has to be a program."""
        target, arguments = self.target, self.arguments(model)
        assert isinstance(target, CommandTarget), "this scenario lacks the tag @needs.command"
        server = start_server(target, arguments, self.settings)
        cleanups.callback(server.stop)
        return started_endpoint(target, server, arguments, api), server

    def of_backend(self, backend: OllamaBackend, model: str) -> Endpoint:
        """A server of the Ollama API with the model of a role."""
        return Endpoint(
            backend.label,
            "ollama",
            backend.url,
            {"model": backend.names[model]},
            unsupported_reason=self.unsupported_reason(backend),
            model_file=self.scripted_file,
        )

    def _target_endpoint(self, api: str, model: str) -> tuple[Endpoint, LaunchedProgram | None]:
        target = self.target
        if isinstance(target, UrlTarget):
            components = ((target.program, target.version),)
            variables = {"model": self.model_name}
            return Endpoint(
                target.label, api, target.url, variables, self.settings.api_key, components=components
            ), None
        arguments = self.arguments(model)
        server = self.pool().get(arguments)
        return started_endpoint(target, server, arguments, api), server


def started_endpoint(
    target: CommandTarget, server: LaunchedProgram, model: ModelArguments, api: str
) -> Endpoint:
    """A server that was started by the suite."""
    # mistral.rs names a model by the folder that it was started with.
    harmless_texts = (str(model.directory), *((model.file,) if model.file else ()))
    variables = {"model": "default", "id": str(model.directory)}
    components = ((target.program, target.version),)
    return Endpoint(
        target.label, api, server.url, variables, harmless_texts=harmless_texts, components=components
    )


class ComparedOllama:
    """The gateway of this run, or a real Ollama, beside the server under test; both have two APIs."""

    def __init__(
        self, name: str, backends: Callable[[], OllamaBackends], upstream: tuple[str, str] | None = None
    ) -> None:
        """`upstream`: program and version of the server behind the suite's gateway."""
        self.label = name
        self._backends = backends
        self._upstream = (upstream,) if upstream else ()
        self._last_backend: OllamaBackend | None = None

    def endpoint_for(self, api: str, model: str) -> Endpoint | None:
        """See `ComparedServer`. None for the API of the server under test itself."""
        if api == "ollama" and self._backends().kind == self.label:
            return None
        backend = self._last_backend = self._backend(model)
        if model not in backend.names:
            raise NotSupported(f"{backend.label} has no model {model!r}")
        name = backend.names[model]
        own = (backend.program, backend.version)
        components = (own, *self._upstream) if self.label == "gateway" else (own,)
        return Endpoint(backend.label, api, backend.url, {"model": name, "id": name}, components=components)

    def diagnose_no_answer(self) -> PostMortem:
        """See `ComparedServer`."""
        backend = self._last_backend
        assert backend is not None, "no request was sent before"
        return post_mortem(backend.process, backend.url, lambda: self._backends().discard(backend))

    def _backend(self, model: str) -> OllamaBackend:
        backends = self._backends()
        if self.label == "gateway":
            # Each model of the suite has a gateway of its own.
            own = backends.kind == "gateway" and model in ROLES
            return backends.under_test(model) if own else backends.gateway()
        if reason := backends.missing_requirement({NEEDS_OLLAMA}):
            raise TargetError(reason)
        return backends.real()

    def close(self) -> None:
        """The run stops the servers."""


class ComparedMistralRs:
    """Another mistral.rs to compare with: `real`, `reference`, or a URL."""

    def __init__(self, name: str, settings: Settings, model: Callable[[str], ModelArguments]) -> None:
        self.label = name
        self._settings = settings
        self._model = model
        self._diagnose: Callable[[], PostMortem] | None = None

    def endpoint_for(self, api: str, model: str) -> Endpoint | None:
        """See `ComparedServer`."""
        if api not in NATIVE_APIS:
            return None
        target = self._target
        if isinstance(target, UrlTarget):
            self._diagnose = partial(post_mortem, None, target.url, lambda: None)
            name = "default" if "default" in target.models or not target.models else target.models[0]
            components = ((target.program, target.version),)
            return Endpoint(target.label, api, target.url, {"model": name}, components=components)
        missing = unmet_capability(MODEL_REQUIREMENTS.get(model, set()), target.program, target.version)
        if missing is not None:
            raise NotSupported(missing)
        arguments = self._model(model)
        server = self._pool.get(arguments)
        self._diagnose = partial(post_mortem, server, server.url, lambda: self._pool.discard(arguments))
        return started_endpoint(target, server, arguments, api)

    def diagnose_no_answer(self) -> PostMortem:
        """See `ComparedServer`."""
        assert self._diagnose is not None, "no request was sent before"
        return self._diagnose()

    @cached_property
    def _target(self) -> CommandTarget | UrlTarget:
        chosen: dict[str, object] = {"acceptance_target": self.label, "target_url": None}
        if self.label not in ("real", "reference"):
            chosen = {"acceptance_target": "auto", "target_url": self.label, "target_api_key": None}
        return discover(self._settings.model_copy(update=chosen))

    @cached_property
    def _pool(self) -> ServerPool:
        assert isinstance(self._target, CommandTarget)
        # TEST_PORT belongs to the server under test.
        return ServerPool(self._target, self._settings.model_copy(update={"test_port": None}))

    def close(self) -> None:
        """Stop what was started."""
        if "_pool" in vars(self):
            with contextlib.suppress(AcceptanceError):
                self._pool.close()


def serves_scripted_model(client: ApiClient, model: str, question: str, answer: str) -> bool:
    """Whether the chat of this model gives exactly the scripted answer to a question."""
    request = {"model": model, "messages": [{"role": "user", "content": question}]}
    try:
        exchange = client.post(
            "/v1/chat/completions", {**request, "max_tokens": PROBE_TOKENS, "temperature": 0}
        )
        text = exchange.json()["choices"][0]["message"]["content"]
    except (AssertionError, LookupError, TypeError):
        return False
    return bool(text == answer)
