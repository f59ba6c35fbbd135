"""Which server of this run offers an API with a model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from support.errors import AcceptanceError, NotSupported, TargetError
from support.http.exchange import Exchange
from support.models.roles import ROLES
from support.servers.capabilities import unmet_capability
from support.servers.command_line import ModelArguments
from support.servers.discovery import CommandTarget, UrlTarget, discover
from support.servers.endpoint import Endpoint
from support.servers.mistralrs import Server, start_server
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

    def dedicated(self, api: str, model: str, cleanups: ExitStack) -> tuple[Endpoint, Server]:
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

    def _target_endpoint(self, api: str, model: str) -> tuple[Endpoint, Server | None]:
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


def started_endpoint(target: CommandTarget, server: Server, model: ModelArguments, api: str) -> Endpoint:
    """A server that was started by the suite."""
    # mistral.rs names a model by the folder that it was started with.
    harmless_texts = (str(model.directory), *((model.file,) if model.file else ()))
    variables = {"model": "default", "id": str(model.directory)}
    components = ((target.program, target.version),)
    return Endpoint(
        target.label, api, server.url, variables, harmless_texts=harmless_texts, components=components
    )


class ComparedOllama:
    """The gateway of this run, or a real Ollama, beside the judged server; both have two APIs."""

    def __init__(
        self, name: str, backends: Callable[[], OllamaBackends], upstream: tuple[str, str] | None = None
    ) -> None:
        """`behind`: program and version of the server that a gateway of ours stands in front of."""
        self.label = name
        self._backends = backends
        self._upstream = (upstream,) if upstream else ()
        self._last_backend: OllamaBackend | None = None

    def endpoint_for(self, api: str, model: str) -> Endpoint | None:
        """See `Candidate.offering`. The judged server itself is no other one."""
        if api == "ollama" and self._backends().kind == self.label:
            return None
        front = self._last_backend = self._backend(model)
        if model not in front.names:
            raise NotSupported(f"{front.label} has no model {model!r}")
        name = front.names[model]
        own = (front.program, front.version)
        programs = (own, *self._upstream) if self.label == "gateway" else (own,)
        return Endpoint(front.label, api, front.url, {"model": name, "id": name}, components=programs)

    def diagnose_no_answer(self, api: str, model: str) -> PostMortem:  # noqa: ARG002 - of the interface
        """See `Candidate.after_silence`."""
        front = self._last_backend
        assert front is not None, "it was not asked before"
        return post_mortem(front.process, front.url, lambda: self._backends().discard(front))

    def _backend(self, model: str) -> OllamaBackend:
        fronts = self._backends()
        if self.label == "gateway":
            # Each model of ours has a gateway of its own.
            return (
                fronts.under_test(model) if fronts.kind == "gateway" and model in ROLES else fronts.gateway()
            )
        if reason := fronts.missing_requirement({NEEDS_OLLAMA}):
            raise TargetError(reason)
        return fronts.real()

    def close(self) -> None:
        """The fronts belong to the suite."""


class ComparedMistralRs:
    """Another mistral.rs to compare with: `real`, `reference`, or an address."""

    def __init__(self, name: str, settings: Settings, model: Callable[[str], ModelArguments]) -> None:
        self.label = name
        self._settings = settings
        self._model = model
        self._target: CommandTarget | UrlTarget | None = None
        self._pool: ServerPool | None = None

    def endpoint_for(self, api: str, model: str) -> Endpoint | None:
        """See `Candidate.offering`."""
        if api not in NATIVE_APIS:
            return None
        target = self._target or self._find()
        if isinstance(target, UrlTarget):
            name = "default" if "default" in target.models or not target.models else target.models[0]
            programs = ((target.program, target.version),)
            return Endpoint(target.label, api, target.url, {"model": name}, components=programs)
        lacks = unmet_capability(MODEL_REQUIREMENTS.get(model, set()), target.program, target.version)
        if lacks is not None:
            raise NotSupported(lacks)
        if self._pool is None:
            # TEST_PORT belongs to the judged server.
            self._pool = ServerPool(target, self._settings.model_copy(update={"test_port": None}))
        arguments = self._model(model)
        return started_endpoint(target, self._pool.get(arguments), arguments, api)

    def diagnose_no_answer(self, api: str, model: str) -> PostMortem:  # noqa: ARG002 - of the interface
        """See `Candidate.after_silence`."""
        if isinstance(self._target, UrlTarget) or self._pool is None:
            return post_mortem(
                None, self._target.url if isinstance(self._target, UrlTarget) else "", lambda: None
            )
        pool, arguments = self._pool, self._model(model)
        server = pool.peek(arguments)
        if server is None:
            return PostMortem("was not there any more; the next case gets a new one")
        return post_mortem(server, server.url, lambda: pool.discard(arguments))

    def _find(self) -> CommandTarget | UrlTarget:
        chosen: dict[str, object] = {"acceptance_target": self.label, "target_url": None}
        if self.label not in ("real", "reference"):
            chosen = {"acceptance_target": "auto", "target_url": self.label, "target_api_key": None}
        self._target = discover(self._settings.model_copy(update=chosen))
        return self._target

    def close(self) -> None:
        """See `Candidate.close`."""
        if self._pool is not None:
            with contextlib.suppress(AcceptanceError):
                self._pool.close()
