"""Which server of this run offers an API with a model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from support.conformance.api import ApiServer
from support.errors import AcceptanceError, NotOffered, TargetError
from support.servers.capabilities import unmet_capability
from support.servers.command_line import ModelArguments
from support.servers.discovery import CommandTarget, UrlTarget, discover
from support.servers.mistralrs import Server
from support.servers.ollama_backends import NEED_REAL, ROLES, Fronts, OllamaFront, Process
from support.servers.pool import ServerPool
from support.servers.post_mortem import Fate, fate_of
from support.settings import Settings

if TYPE_CHECKING:
    from support.suite import Suite

# What a server has to be able to for one of the suite's models.
NEEDS = {"embedding": {"needs.embeddings"}}

# The judged server that offers an API with a model, and its process if it is ours.
Offer = Callable[["Suite", str], tuple[ApiServer, Process | None]]


def own_offer(suite: Suite, model: str, api: str) -> tuple[ApiServer, Server | None]:
    """The server under test itself, asked in one of its APIs."""
    target = suite.target
    if isinstance(target, UrlTarget):
        key = suite.settings.target_api_key
        names = {"model": suite.model_name}
        return ApiServer(target.label, api, target.url, names, key.get_secret_value() if key else None), None
    arguments = suite.model(model)
    server = suite.servers.get(arguments)
    return of_command(target, server, arguments, api), server


def of_command(target: CommandTarget, server: Server, model: ModelArguments, api: str) -> ApiServer:
    """A server that was started by the suite."""
    # mistral.rs names a model by the folder that it was started with.
    own_words = (str(model.directory), *((model.file,) if model.file else ()))
    names = {"model": "default", "id": str(model.directory)}
    programs = ((target.program, target.version),)
    return ApiServer(target.label, api, server.url, names, own_words=own_words, programs=programs)


def ollama_offer(suite: Suite, model: str) -> tuple[ApiServer, Process | None]:
    """The server of the Ollama API that this run judges."""
    front = suite.fronts.judged(model)
    declines = front.declines.reason if front.declines else None
    names = {"model": front.names[model]}
    return ApiServer(front.label, "ollama", front.url, names, declines=declines), front.process


# APIs that mistral.rs serves itself.
OWN = ("openai", "responses", "anthropic")
OFFERS: dict[str, Offer] = {
    **{api: partial(own_offer, api=api) for api in OWN},
    "ollama": ollama_offer,
}


class OtherFront:
    """The gateway of this run, or a real Ollama, beside the judged server; both have two APIs."""

    def __init__(
        self, name: str, fronts: Callable[[], Fronts], behind: tuple[str, str] | None = None
    ) -> None:
        """`behind`: program and version of the server that a gateway of ours stands in front of."""
        self.label = name
        self._fronts = fronts
        self._behind = (behind,) if behind else ()
        self._asked: OllamaFront | None = None

    def offering(self, api: str, model: str) -> ApiServer | None:
        """See `Candidate.offering`. The judged server itself is no other one."""
        if api == "ollama" and self._fronts().kind == self.label:
            return None
        front = self._asked = self._front(model)
        if model not in front.names:
            raise NotOffered(f"{front.label} has no model {model!r}")
        name = front.names[model]
        own = (front.program, front.version)
        programs = (own, *self._behind) if self.label == "gateway" else (own,)
        return ApiServer(front.label, api, front.url, {"model": name, "id": name}, programs=programs)

    def after_silence(self, api: str, model: str) -> Fate:
        """See `Candidate.after_silence`."""
        front = self._asked
        assert front is not None, "it was not asked before"
        return fate_of(front.process, front.url, lambda: self._fronts().let_go(front))

    def _front(self, model: str) -> OllamaFront:
        fronts = self._fronts()
        if self.label == "gateway":
            # Each model of ours has a gateway of its own.
            return fronts.judged(model) if fronts.kind == "gateway" and model in ROLES else fronts.gateway()
        if reason := fronts.unmet({NEED_REAL}):
            raise TargetError(reason)
        return fronts.real()

    def close(self) -> None:
        """The fronts belong to the suite."""


class OtherTarget:
    """Another mistral.rs to compare with: `real`, `reference`, or an address."""

    def __init__(self, name: str, settings: Settings, model: Callable[[str], ModelArguments]) -> None:
        self.label = name
        self._settings = settings
        self._model = model
        self._target: CommandTarget | UrlTarget | None = None
        self._pool: ServerPool | None = None

    def offering(self, api: str, model: str) -> ApiServer | None:
        """See `Candidate.offering`."""
        if api not in OWN:
            return None
        target = self._target or self._find()
        if isinstance(target, UrlTarget):
            name = "default" if "default" in target.models or not target.models else target.models[0]
            programs = ((target.program, target.version),)
            return ApiServer(target.label, api, target.url, {"model": name}, programs=programs)
        lacks = unmet_capability(NEEDS.get(model, set()), target.program, target.version)
        if lacks is not None:
            raise NotOffered(lacks)
        if self._pool is None:
            # TEST_PORT belongs to the judged server.
            self._pool = ServerPool(target, self._settings.model_copy(update={"test_port": None}))
        arguments = self._model(model)
        return of_command(target, self._pool.get(arguments), arguments, api)

    def after_silence(self, api: str, model: str) -> Fate:
        """See `Candidate.after_silence`."""
        if isinstance(self._target, UrlTarget) or self._pool is None:
            return fate_of(
                None, self._target.url if isinstance(self._target, UrlTarget) else "", lambda: None
            )
        pool, arguments = self._pool, self._model(model)
        server = pool.last(arguments)
        if server is None:
            return Fate("was not there any more; the next case gets a new one")
        return fate_of(server, server.url, lambda: pool.discard(arguments))

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
