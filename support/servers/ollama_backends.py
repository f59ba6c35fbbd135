"""The servers of the Ollama API: the bundled gateway, a real Ollama, or the user's own server.

A backend is such a server with the names under which it has the suite's models, by their roles
(`support.models.roles`). A real Ollama has them all, and makes embeddings with any; a gateway stands in front
of one mistral.rs, which has one of them.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from support.errors import NotSupported, TargetError
from support.http.client import ApiClient, RequestFailed
from support.http.exchange import NotJson
from support.models.roles import CATEGORICAL, EMBEDDING, SCRIPTED, TOOLS, UNLOADABLE
from support.programs.ollama import OLLAMA
from support.programs.program import InstalledProgram
from support.servers.bundled_gateway import gateway_version, start_gateway
from support.servers.ollama import (
    TOOLS_TEMPLATE,
    ModelNotCreated,
    OllamaServer,
    create_model,
    delete_models,
    start_ollama,
)
from support.settings import Settings, redact_url

GATEWAY = "mistralrs-gateway"
NEEDS_OLLAMA_API, NEEDS_OLLAMA = "needs.ollama_api", "needs.ollama"
CONNECT_SECONDS = 5.0
CREATE_SECONDS = 60.0


def preview(settings: Settings, target: str) -> str:
    """Whose Ollama API will be judged, before anything was started."""
    if settings.ollama_api == "gateway":
        return f"{GATEWAY} {gateway_version()} in front of {target}"
    if settings.ollama_api != "ollama":
        return redact_url(settings.ollama_api)
    if settings.ollama_url is not None:
        return f"a real Ollama at {redact_url(settings.ollama_url)}"
    part = OLLAMA.locate(settings)
    return "a real Ollama, and there is none" if part is None else f"ollama {part.version} ({part.path})"


class ServerProcess(Protocol):
    """A front that the suite started: alive, with a log, and to be ended."""

    @property
    def url(self) -> str: ...

    @property
    def log(self) -> str: ...

    @property
    def alive(self) -> bool: ...

    def stop(self) -> int: ...


@dataclass(frozen=True)
class OllamaBackend:
    """A server of the Ollama API. `names`: role -> name of a model there. `process`: None when not ours.

    `unloads`: whether it can unload a model; None where that is not known beforehand. `upstream`: the server
    of the suite behind a gateway: the gateway is of no use without it.
    """

    url: str
    program: str
    version: str
    names: Mapping[str, str]
    process: ServerProcess | None = None
    created: tuple[str, ...] = field(default=())
    unloads: bool | None = None
    upstream: ServerProcess | None = None

    @property
    def label(self) -> str:
        place = f" at {redact_url(self.url)}" if self.process is None else ""
        return f"{self.program} {self.version}{place}"

    @property
    def alive(self) -> bool:
        return all(server is None or server.alive for server in (self.process, self.upstream))


@dataclass(frozen=True)
class Upstream:
    """The server that the bundled gateway stands in front of.

    `file`: the model's, if it is one file of ours. `unloads`: whether it has routes to unload a model.
    `process`: None for a server that the suite has not started.
    """

    url: str
    file: Path | None
    api_key: str | None = field(default=None, repr=False)
    unloads: bool = True
    process: ServerProcess | None = None


class OllamaBackends:
    """Owns the servers of the Ollama API of a run. Each is started when first asked for, and when it died."""

    def __init__(
        self, settings: Settings, gguf: Callable[[str], Path], upstream: Callable[[str], Upstream]
    ) -> None:
        """`gguf`: the file of the scripted model, or of the known-distribution model.

        `upstream`: a server with the model of that name; it raises `NotSupported` when there is none.
        """
        self._settings = settings
        self._gguf = gguf
        self._upstream = upstream
        self._backends: dict[str, OllamaBackend] = {}
        self._last_version: tuple[str, str] | None = None

    @property
    def kind(self) -> str:
        """`gateway`, `ollama` or a URL."""
        return self._settings.ollama_api

    def missing_requirement(self, tags: Collection[str]) -> str | None:
        """Why a scenario with these tags cannot run for want of a server, with the remedy, or None."""
        real = NEEDS_OLLAMA in tags or (NEEDS_OLLAMA_API in tags and self.kind == "ollama")
        if real and self._settings.ollama_url is None and self._installed is None:
            return "needs a real Ollama; `acceptance get ollama` builds one, or set OLLAMA_BIN or OLLAMA_URL"
        return None

    def under_test(self, role: str = SCRIPTED) -> OllamaBackend:
        """The judged server that has the model of a role.

        Raises `StartFailure`, `TargetError`, or `NotSupported` when there is no such model.
        """
        front = self._get(f"gateway {role}" if self.kind == "gateway" else self.kind)
        self._last_version = (front.program, front.version)
        if role not in front.names:
            raise NotSupported(f"{front.label} has no model {role!r} and takes none that the suite makes")
        return front

    @property
    def last_version(self) -> tuple[str, str] | None:
        """Program and version of the judged one, also when it has died; None when it never was there."""
        return self._last_version

    @cached_property
    def _installed(self) -> InstalledProgram | None:
        return OLLAMA.locate(self._settings)

    def gateway(self) -> OllamaBackend:
        """The gateway of this run: the user's own where one is judged, else the bundled one."""
        return self._get(f"gateway {SCRIPTED}") if self.kind == "ollama" else self.under_test()

    def real(self) -> OllamaBackend:
        """A real Ollama, whoever is judged."""
        return self._get("ollama")

    def close(self) -> None:
        """Stop what was started and delete the models that were created, also when one of these fails."""
        with contextlib.ExitStack() as stack:
            for kind in list(self._backends):
                stack.callback(self._discard, kind)

    def discard(self, backend: OllamaBackend) -> None:
        """End this one, which hangs or has died; who asks next gets a new one."""
        for kind in [kind for kind, known in self._backends.items() if known is backend]:
            self._discard(kind)

    def _get(self, kind: str) -> OllamaBackend:
        front = self._backends.get(kind)
        if front is not None and front.alive:
            return front
        self._discard(kind)
        if kind == "ollama":
            front = self._start_ollama()
        elif kind.startswith("gateway "):
            front = self._start_gateway(kind.removeprefix("gateway "))
        else:
            front = self._connect(kind)
        self._backends[kind] = front
        return front

    def _discard(self, kind: str) -> None:
        front = self._backends.pop(kind, None)
        if front is None:
            return
        if front.process is not None:
            front.process.stop()
        elif front.created:
            with contextlib.suppress(RequestFailed), contextlib.closing(ApiClient(front.url)) as client:
                delete_models(client, front.created)

    def _start_ollama(self) -> OllamaBackend:
        if self._settings.ollama_url is not None:
            return self._connect(self._settings.ollama_url)
        part = self._installed
        assert part is not None, f"this scenario lacks the tag @{NEEDS_OLLAMA}"
        server: OllamaServer = start_ollama(part, self._settings)
        names = {
            SCRIPTED: SCRIPTED,
            TOOLS: TOOLS,
            EMBEDDING: SCRIPTED,
            UNLOADABLE: SCRIPTED,
            CATEGORICAL: CATEGORICAL,
        }
        try:
            with contextlib.closing(ApiClient(server.url, timeout=CREATE_SECONDS)) as client:
                self._create_models(client, names)
        except BaseException:
            server.stop()
            raise
        return OllamaBackend(server.url, "ollama", part.version, names, server)

    def _start_gateway(self, model: str) -> OllamaBackend:
        behind = self._upstream(model)
        files = {model: behind.file} if behind.file else {}
        gateway = start_gateway(behind.url, self._settings, files, behind.api_key)
        try:
            version, listed = self._version_and_models(gateway.url)
        except BaseException:
            gateway.stop()
            raise
        name = model if behind.file else listed[0]
        return OllamaBackend(
            gateway.url,
            GATEWAY,
            version,
            {model: name},
            gateway,
            unloads=behind.unloads,
            upstream=behind.process,
        )

    def _connect(self, url: str) -> OllamaBackend:
        """A server that is there: with our models where it takes any, else with the first of its own."""
        version, listed = self._version_and_models(url)
        mark = f"acceptance-{secrets.token_hex(4)}"
        scripted, tools, categorical = (f"{mark}-{role}" for role in (SCRIPTED, TOOLS, CATEGORICAL))
        names = {
            SCRIPTED: scripted,
            TOOLS: tools,
            EMBEDDING: scripted,
            UNLOADABLE: scripted,
            CATEGORICAL: categorical,
        }
        with contextlib.closing(ApiClient(url, timeout=self._settings.seconds(CREATE_SECONDS))) as client:
            try:
                self._create_models(client, names)
                return OllamaBackend(url, "ollama", version, names, created=(scripted, tools, categorical))
            except ModelNotCreated as error:
                delete_models(client, [scripted, tools, categorical])
                if not listed:
                    shown = redact_url(url)
                    raise TargetError(f"{shown} lists no model and takes none of ours: {error}") from None
        return OllamaBackend(url, "url", version, dict.fromkeys((SCRIPTED, EMBEDDING, UNLOADABLE), listed[0]))

    def _version_and_models(self, url: str) -> tuple[str, list[str]]:
        """Version and models that a server tells; raises `TargetError`."""
        with contextlib.closing(ApiClient(url, timeout=self._settings.seconds(CONNECT_SECONDS))) as client:
            try:
                version = str(client.get("/api/version").json()["version"])
                return version, [str(entry["name"]) for entry in client.get("/api/tags").json()["models"]]
            except (RequestFailed, NotJson, KeyError, TypeError) as error:
                raise TargetError(
                    f"no Ollama API at {redact_url(url)}: {error}; start the server, or choose another "
                    "ollama_api"
                ) from None

    def _create_models(self, client: ApiClient, names: Mapping[str, str]) -> None:
        scripted = self._gguf(SCRIPTED)
        create_model(client, names[SCRIPTED], scripted)
        create_model(client, names[TOOLS], scripted, template=TOOLS_TEMPLATE.read_text(encoding="utf-8"))
        create_model(client, names[CATEGORICAL], self._gguf(CATEGORICAL))
