"""Endpoints of the servers of a run, and the servers to compare with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from support.errors import AcceptanceError, CheckFailed, NotSupported, TargetError
from support.http.exchange import Exchange
from support.models.roles import EMBEDDING, ROLES, SCRIPTED
from support.programs.launcher import LaunchedProgram
from support.servers.capabilities import unmet_capability
from support.servers.command_line import ModelArguments
from support.servers.discovery import CommandTarget, Target, UrlTarget, discover
from support.servers.ollama_backends import NEEDS_OLLAMA, OllamaBackend, OllamaBackends
from support.servers.pool import ServerPool
from support.servers.post_mortem import PostMortem, post_mortem
from support.settings import Settings, compared_program

# What a server needs for one of the suite's models.
MODEL_REQUIREMENTS = {EMBEDDING: {"needs.embeddings"}}

# APIs that mistral.rs serves itself.
NATIVE_APIS = ("openai", "responses", "anthropic", "metrics")
# Those of the monitoring of the run: no server to compare with has them.
MONITORING_APIS = ("monitoring", "exporter", "prometheus")


@dataclass(frozen=True)
class Endpoint:
    """A server that offers an API. `variables`: what stands for `{model}` and other names in the tables.

    `harmless_texts`: texts that an error may contain though they look like a path, such as the folder of its
    model. `unsupported_reason`: why a response reports a feature that the server is known not to have
    (`support.conformance.missing_routes`); None for a server of which nothing is listed. `components`: name
    and version of each program that has a part in its answers; the known issues of each apply. `model_file`
    gives the GGUF file of the scripted model, for uploads. `model_names`: the names that the server lists.
    `surroundings`: what the sequences of an API need beside the server (`support.monitoring.session`).
    """

    label: str
    api: str
    base_url: str
    variables: Mapping[str, str]
    key: str | None = field(default=None, repr=False)
    harmless_texts: tuple[str, ...] = ()
    unsupported_reason: Callable[[Exchange], str | None] | None = None
    components: tuple[tuple[str, str], ...] = ()
    model_file: Callable[[], Path] | None = field(default=None, repr=False)
    model_names: tuple[str, ...] = ()
    surroundings: Callable[[], object] | None = field(default=None, repr=False)


def url_endpoint(
    target: UrlTarget, api: str, key: str | None = None, *, model: str | None = None
) -> Endpoint:
    """A server at a URL. `model`: the name of the model to use, in place of the one that it serves first."""
    components = ((target.program, target.version),)
    variables = {"model": model or target.model_name, "id": model or target.model_id}
    # A name that everybody can list is no secret, also where it is a path.
    return Endpoint(
        target.label,
        api,
        target.url,
        variables,
        key,
        harmless_texts=target.models,
        components=components,
        model_names=target.models,
    )


def started_endpoint(
    target: CommandTarget, server: LaunchedProgram, model: ModelArguments, api: str
) -> Endpoint:
    """A server that was started by the suite."""
    # mistral.rs names a model by the folder that it was started with.
    harmless_texts = (str(model.directory), *((model.file,) if model.file else ()))
    variables = {"model": "default", "id": str(model.directory)}
    components = ((target.program, target.version),)
    return Endpoint(
        target.label,
        api,
        server.url,
        variables,
        harmless_texts=harmless_texts,
        components=components,
        model_names=tuple(variables.values()),
    )


def missing_model(target: Target, role: str, *, embedding_model: str | None = None) -> str | None:
    """Why the target is known not to serve a model for this role, or None.

    `embedding_model`: the name of one that a server at a URL has.
    """
    if isinstance(target, UrlTarget):
        own = f"{target.label} has its own models, and takes none of the suite's"
        has_one = role == SCRIPTED or (role == EMBEDDING and embedding_model is not None)
        return None if has_one else own
    return unmet_capability(MODEL_REQUIREMENTS.get(role, set()), target.program, target.version)


def require_model(target: Target, role: str) -> None:
    """Raises `NotSupported` when the target is known not to serve a model for this role."""
    if (missing := missing_model(target, role)) is not None:
        raise NotSupported(missing)


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
        if api in MONITORING_APIS or (api == "ollama" and self._backends().kind == self.label):
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
        if backend is None:
            raise CheckFailed("no request was sent before")
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
    """Another mistral.rs to compare with: `real`, `reference`, the path of a program, or a URL."""

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
            return url_endpoint(target, api)
        require_model(target, model)
        arguments = self._model(model)
        server = self._pool.get(arguments)
        self._diagnose = partial(post_mortem, server, server.url, lambda: self._pool.discard(arguments))
        return started_endpoint(target, server, arguments, api)

    def diagnose_no_answer(self) -> PostMortem:
        """See `ComparedServer`."""
        if self._diagnose is None:
            raise CheckFailed("no request was sent before")
        return self._diagnose()

    @cached_property
    def _target(self) -> CommandTarget | UrlTarget:
        chosen: dict[str, object] = {
            "acceptance_target": self.label,
            "target_url": None,
            "target_version": None,
        }
        if self.label not in ("real", "reference"):
            program = compared_program(self.label)
            chosen |= (
                {"acceptance_target": "auto", "target_url": self.label, "target_api_key": None}
                if program is None
                else {"acceptance_target": "real", "mistralrs_bin": program}
            )
        origins = dict.fromkeys(("target_url", "mistralrs_bin"), "acceptance_compare")
        return discover(self._settings.model_copy(update=chosen), origins)

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
