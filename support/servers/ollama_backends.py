"""The servers of the Ollama API: the bundled gateway, a real Ollama, or the user's own server.

A backend is such a server with the names under which it has the suite's models, by their roles
(`support.models.roles`). A real Ollama has them all, and makes embeddings with any; a gateway stands in front
of one mistral.rs, which has one of them.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from support.errors import CheckFailed, NotSupported, TargetError
from support.http.client import ApiClient, RequestFailed, tls_problem
from support.http.exchange import Exchange, NotJson
from support.models.roles import CATEGORICAL, EMBEDDING, ROLES, SCRIPTED, TOOLS, UNLOADABLE
from support.models.script import Script
from support.programs.install import InstalledProgram
from support.programs.launcher import LaunchedProgram
from support.programs.ollama import OLLAMA
from support.results.program_version import GATEWAY, ProgramVersion
from support.servers.bundled_gateway import gateway_version, start_gateway
from support.servers.discovery import UNKNOWN
from support.servers.ollama import (
    NO_ROUTE,
    TOOLS_TEMPLATE,
    ModelNotCreated,
    create_model,
    delete_models,
    start_ollama,
)
from support.servers.pool import Pool
from support.servers.served_model import other_ollama_answer
from support.servers.stated_version import program_of
from support.settings import OLLAMA_API_CHOICES, Settings, redact_url

NEEDS_OLLAMA_API, NEEDS_OLLAMA = "needs.ollama_api", "needs.ollama"
# A name without a tag means this one (api.md, Model names); the cases add it.
LATEST = ":latest"
CONNECT_SECONDS = 5.0
CREATE_SECONDS = 60.0
T = TypeVar("T")


def preview(settings: Settings, target: str) -> str:
    """The server of the Ollama API that a run will test, before anything was started."""
    if settings.ollama_api == "gateway":
        return f"{GATEWAY} {gateway_version()} in front of {target}"
    if (url := url_under_test(settings)) is not None:
        return f"server at {redact_url(url)}"
    found = OLLAMA.locate(settings)
    return "a real Ollama, and there is none" if found is None else f"ollama {found.version} ({found.path})"


def url_under_test(settings: Settings) -> str | None:
    """The URL of the server of the Ollama API, if the suite does not start it."""
    if settings.ollama_api not in OLLAMA_API_CHOICES:
        return settings.ollama_api
    return settings.ollama_url if settings.ollama_api == "ollama" else None


def missing_ollama(
    tags: Collection[str], settings: Settings, installed: Callable[[], InstalledProgram | None]
) -> str | None:
    """Why a scenario with these tags cannot run for want of a server, with the remedy, or None."""
    real = NEEDS_OLLAMA in tags or (NEEDS_OLLAMA_API in tags and settings.ollama_api == "ollama")
    if real and settings.ollama_url is None and installed() is None:
        return "needs a real Ollama; `acceptance get ollama` builds one, or set OLLAMA_BIN or OLLAMA_URL"
    return None


class NoOllamaApi(TargetError):
    """A server has no Ollama API. `answer`: what it answered in its place; "" when it did not answer."""

    def __init__(self, url: str, problem: str, answer: str = "") -> None:
        super().__init__(f"no Ollama API at {redact_url(url)}: {problem}")
        self.answer = answer


def program_version_models(url: str, settings: Settings) -> tuple[str, str, list[str]]:
    """A server's program (empty: it states none), version and models; raises `NoOllamaApi`."""
    program, version = _read(url, settings, "/api/version", _program_and_version)
    return program, version, _listed_models(url, settings)


def _program_and_version(answer: Exchange) -> tuple[str, str]:
    return program_of(answer), str(answer.json()["version"])


def _listed_models(url: str, settings: Settings) -> list[str]:
    return _read(
        url, settings, "/api/tags", lambda answer: [str(entry["name"]) for entry in answer.json()["models"]]
    )


def _read(url: str, settings: Settings, path: str, value_of: Callable[[Exchange], T]) -> T:
    """A value of a response; raises `NoOllamaApi`."""
    with contextlib.closing(
        ApiClient(url, timeout=settings.seconds(CONNECT_SECONDS), may_be_silent=True)
    ) as client:
        try:
            answer = client.get(path)
        except RequestFailed as error:
            remedy = "" if tls_problem(error) else "; start the server, or give the address of another one"
            raise NoOllamaApi(url, f"{error}{remedy}") from None
        try:
            return value_of(answer)
        except (NotJson, LookupError, TypeError):
            found = f"GET {answer.url} has {answer.in_short}"
            remedy = "; give the address of a server of the Ollama API"
            raise NoOllamaApi(url, f"{found}{remedy}", found) from None


def identified(url: str, settings: Settings) -> ProgramVersion:
    """Program (`UNKNOWN`: it states none, and takes no models) and version; raises `TargetError`."""
    program, version, _ = program_version_models(url, settings)
    if not program:
        program = "ollama" if _takes_models(url, settings) else UNKNOWN
    return ProgramVersion(program, version)


def _takes_models(url: str, settings: Settings) -> bool:
    """Whether a server would take the suite's models: it creates none from an empty request."""
    with contextlib.closing(
        ApiClient(url, timeout=settings.seconds(CONNECT_SECONDS), may_be_silent=True)
    ) as client:
        return client.post("/api/create", {}).status not in NO_ROUTE


@dataclass(frozen=True)
class OllamaAtUrl:
    """A server of the Ollama API that the suite does not start, as a list of scenarios finds it.

    `other_answer`: what it answered where it serves another model than the scripted one.
    """

    url: str
    program: str
    version: str
    takes_models: bool
    other_answer: str | None = None

    @property
    def label(self) -> str:
        return f"{self.program} {self.version} at {redact_url(self.url)}"

    def missing_model(self, role: str) -> str | None:
        """Why it does not have the model of a role, or None."""
        has_it = self.takes_models or role in served_roles(self.program)
        return None if has_it else no_model(self.label, role)


def examined(url: str, settings: Settings) -> OllamaAtUrl:
    """The server, found out with the requests that change nothing there; raises `TargetError`."""
    program, version, listed = program_version_models(url, settings)
    takes_models = _takes_models(url, settings)
    found = OllamaAtUrl(url, program or ("ollama" if takes_models else UNKNOWN), version, takes_models)
    if takes_models or not listed:
        return found
    name = listed[0].removesuffix(LATEST)
    return replace(found, other_answer=other_ollama_answer(url, name, settings, Script.standard()))


def served_roles(program: str) -> tuple[str, ...]:
    """The roles of the one model of a server that takes none of the suite's.

    A gateway has one model; another server may make embeddings with any.
    """
    return (SCRIPTED, UNLOADABLE) if program == GATEWAY else (SCRIPTED, EMBEDDING, UNLOADABLE)


def no_model(label: str, role: str) -> str:
    """Why checks with the model of a role are unsupported."""
    return f"{label} has no model {role!r} and takes none that the suite makes"


@dataclass(frozen=True)
class OllamaBackend:
    """A server of the Ollama API. `names`: role -> name of a model there. `process`: None for the user's.

    `unloads`: whether it can unload a model; None where that is not known beforehand. `upstream`: the server
    of the suite behind a gateway: the gateway does not work without it.
    """

    url: str
    program: str
    version: str
    names: Mapping[str, str]
    process: LaunchedProgram | None = None
    created: tuple[str, ...] = field(default=())
    unloads: bool | None = None
    upstream: LaunchedProgram | None = None

    @property
    def label(self) -> str:
        place = f" at {redact_url(self.url)}" if self.process is None else ""
        return f"{self.program} {self.version}{place}"

    @property
    def alive(self) -> bool:
        return all(server is None or server.alive for server in (self.process, self.upstream))

    def stop(self) -> None:
        """Stop the process of the suite, or delete the models that were created on the user's server."""
        if self.process is not None:
            self.process.stop()
        elif self.created:
            with (
                contextlib.suppress(RequestFailed),
                contextlib.closing(ApiClient(self.url, may_be_silent=True)) as client,
            ):
                delete_models(client, self.created)


@dataclass(frozen=True)
class Upstream:
    """The server that the bundled gateway stands in front of.

    `file`: the model's, if it is one file of the suite. `unloads`: whether it has routes to unload a model.
    `process`: None for a server that the suite has not started.
    """

    url: str
    file: Path | None
    api_key: str | None = field(default=None, repr=False)
    unloads: bool = True
    process: LaunchedProgram | None = None


class OllamaBackends:
    """The backends of a run, each created on first use. `gguf`: role -> file; `upstream`: role -> server."""

    def __init__(
        self, settings: Settings, gguf: Callable[[str], Path], upstream: Callable[[str], Upstream]
    ) -> None:
        self._settings = settings
        self._gguf = gguf
        self._upstream = upstream
        self._pool: Pool[str, OllamaBackend] = Pool()
        # Program and version of the server under test, also when it has died; None when there was none.
        self.last_version: tuple[str, str] | None = None

    @property
    def kind(self) -> str:
        """`gateway`, `ollama` or a URL."""
        return self._settings.ollama_api

    def missing_requirement(self, tags: Collection[str]) -> str | None:
        """Why a scenario with these tags cannot run for want of a server, with the remedy, or None."""
        return missing_ollama(tags, self._settings, lambda: self._installed)

    def under_test(self, role: str = SCRIPTED) -> OllamaBackend:
        """The server under test that has the model of a role.

        Raises `StartFailure`, `TargetError`, or `NotSupported` when there is no such model.
        """
        backend = self._gateway(role) if self.kind == "gateway" else self._other(self.kind)
        self.last_version = (backend.program, backend.version)
        if role not in backend.names:
            raise NotSupported(no_model(backend.label, role))
        return backend

    def gateway(self) -> OllamaBackend:
        """The gateway of this run: the user's own if it is under test, else the bundled one."""
        return self._gateway(SCRIPTED) if self.kind == "ollama" else self.under_test()

    def real(self) -> OllamaBackend:
        """A real Ollama, also when another server is under test."""
        return self._other("ollama")

    def close(self) -> None:
        """Stop what was started and delete the models that were created, also when one of these fails."""
        self._pool.close()

    @property
    def programs(self) -> list[LaunchedProgram]:
        """Those that it has started and not stopped."""
        return [backend.process for backend in self._pool.servers.values() if backend.process is not None]

    def discard(self, backend: OllamaBackend) -> None:
        """Stop this one, which hangs or has died; the next use gets a new one."""
        for key in [key for key, known in self._pool.servers.items() if known is backend]:
            self._pool.discard(key)

    def _gateway(self, role: str) -> OllamaBackend:
        return self._pool.get(f"gateway {role}", lambda: self._start_gateway(role))

    def _other(self, kind: str) -> OllamaBackend:
        start = self._start_ollama if kind == "ollama" else partial(self._connect, kind)
        return self._pool.get(kind, start)

    @cached_property
    def _installed(self) -> InstalledProgram | None:
        return OLLAMA.locate(self._settings)

    def _start_ollama(self) -> OllamaBackend:
        if self._settings.ollama_url is not None:
            return self._connect(self._settings.ollama_url)
        program = self._installed
        if program is None:
            raise CheckFailed(f"this scenario lacks the tag @{NEEDS_OLLAMA}")
        server = start_ollama(program, self._settings)
        names = _model_names()
        try:
            with contextlib.closing(ApiClient(server.url, timeout=CREATE_SECONDS)) as client:
                self._create_models(client, names)
        except BaseException:
            server.stop()
            raise
        return OllamaBackend(server.url, "ollama", program.version, names, server)

    def _start_gateway(self, model: str) -> OllamaBackend:
        upstream = self._upstream(model)
        files = {model: upstream.file} if upstream.file else {}
        gateway = start_gateway(upstream.url, self._settings, files, upstream.api_key)
        try:
            _, version = _read(gateway.url, self._settings, "/api/version", _program_and_version)
            # The file was passed with its name.
            name = model if upstream.file else self._first_model(gateway.url)
        except NoOllamaApi as error:
            gateway.stop()
            if not error.answer:
                raise
            # It serves, so this is no part of the harness that does not start.
            raise CheckFailed(f"the gateway has started, but {error.answer}") from None
        except BaseException:
            gateway.stop()
            raise
        return OllamaBackend(
            gateway.url,
            GATEWAY,
            version,
            {model: name},
            gateway,
            unloads=upstream.unloads,
            upstream=upstream.process,
        )

    def _first_model(self, url: str) -> str:
        listed = _listed_models(url, self._settings)
        if not listed:
            raise CheckFailed("the gateway has started, but GET /api/tags lists no model")
        return listed[0].removesuffix(LATEST)

    def _connect(self, url: str) -> OllamaBackend:
        """A server that is there: with the suite's models if it takes any, else with the first of its own."""
        program, version, listed = program_version_models(url, self._settings)
        names = _model_names(f"acceptance-{secrets.token_hex(4)}-")
        with contextlib.closing(ApiClient(url, timeout=self._settings.seconds(CREATE_SECONDS))) as client:
            try:
                # Other runs, and other workers of this one, use the same server.
                self._create_models(client, names, own_files=True)
                created = tuple(set(names.values()))
                return OllamaBackend(url, program or "ollama", version, names, created=created)
            except ModelNotCreated as error:
                delete_models(client, set(names.values()))
                if not error.takes_none:
                    raise CheckFailed(f"the Ollama API cannot create models: {error}") from None
                if not listed:
                    shown = redact_url(url)
                    raise TargetError(
                        f"{shown} lists no model and takes none of the suite's: {error}"
                    ) from None
        # What is behind a gateway is not known: it may be a server that unloads none.
        unloads = False if program == GATEWAY else None
        served = dict.fromkeys(served_roles(program), listed[0].removesuffix(LATEST))
        return OllamaBackend(url, program or UNKNOWN, version, served, unloads=unloads)

    def _create_models(self, client: ApiClient, names: Mapping[str, str], *, own_files: bool = False) -> None:
        # A file each: Ollama runs models of one file once and lists only the name that was used first.
        template = TOOLS_TEMPLATE.read_text(encoding="utf-8")
        for role, own_template in ((SCRIPTED, None), (TOOLS, template), (CATEGORICAL, None)):
            create_model(client, names[role], self._gguf(role), template=own_template, own_file=own_files)


def _model_names(prefix: str = "") -> dict[str, str]:
    """Role -> name of the model that has it on an Ollama, which makes embeddings with any model."""
    own = (TOOLS, CATEGORICAL)
    return {role: f"{prefix}{role if role in own else SCRIPTED}" for role in ROLES}
