"""What lives for a whole run: settings, target, models, shared servers."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from support.conformance.missing_routes import MissingRoutes, unsupported_reason
from support.errors import CheckFailed
from support.http.exchange import Exchange
from support.http.responsiveness import RESPONSIVENESS
from support.mcp.tool_server import READY_SECONDS, ToolServer
from support.models.roles import CATEGORICAL, EMBEDDING, SCRIPTED, TOOLS, UNLOADABLE
from support.models.script import TOOLS_SCRIPT, Script
from support.models.store import ModelStore
from support.programs.launcher import LaunchedProgram, free_port
from support.programs.run_directory import RunDirectory
from support.results.check import CheckResult
from support.results.known_issues import KnownIssues
from support.results.program_version import GATEWAY
from support.servers.capabilities import CAPABILITIES
from support.servers.command_line import ModelArguments
from support.servers.discovery import CommandTarget, Target, UrlTarget
from support.servers.endpoints import (
    MONITORING_APIS,
    NATIVE_APIS,
    ComparedMistralRs,
    ComparedOllama,
    Endpoint,
    require_model,
    started_endpoint,
    url_endpoint,
)
from support.servers.launch_plans import FORMATS, arguments_of
from support.servers.mistralrs import start_server
from support.servers.ollama_backends import (
    NEEDS_OLLAMA,
    NEEDS_OLLAMA_API,
    OllamaBackend,
    OllamaBackends,
    Upstream,
)
from support.servers.pool import Pool, ServerPool, Shareable
from support.settings import OLLAMA_API_CHOICES, ResolvedSettings, Settings, redact_url

if TYPE_CHECKING:
    # OpenAI's package comes with these: a run that does not need it does not wait.
    from support.conformance.comparison import Comparison
    from support.monitoring.proxied_server import OutsideView
    from support.monitoring.session import MonitoringSession
    from support.monitoring.watched_server import WatchedServer
    from support.servers.dedicated import ServerWithGateway


class RunContext:  # noqa: PLR0904 - one member for each thing that a run shares
    """Created once, closed once. `folder` is a temporary folder of the run.

    What is created on first use registers its end in one stack: the last one created is closed first.
    """

    def __init__(self, resolved: ResolvedSettings, target: Target) -> None:
        self.resolved = resolved
        self.target = target
        # Routes that servers of this run were found not to have.
        self.missing_routes = MissingRoutes()
        # By URL: what a server answered that may have another model than the suite's.
        self.probe_answers: dict[str, Exchange] = {}
        # A worker sends them to its coordinator, which has them when the worker crashes.
        self.report_checks: Callable[[Sequence[CheckResult]], None] = lambda _: None
        # Of the step that runs now; the runner knows it.
        self.step_seconds_left: Callable[[], float] = lambda: math.inf
        self._exit_stack = ExitStack()
        run_directory = RunDirectory().lock()
        self._exit_stack.callback(run_directory.remove)
        self.folder = run_directory.path
        # Every temporary folder of the run lies in this one, and so goes with it, however the run ends.
        self._exit_stack.callback(setattr, tempfile, "tempdir", tempfile.tempdir)
        tempfile.tempdir = str(self.folder)
        # Processes of the run that are no servers, by their use.
        self.helpers: Pool[str, Shareable] = self._exit_stack.enter_context(closing(Pool()))
        self.models = ModelStore(self.settings.acceptance_cache_dir / "models")

    @property
    def settings(self) -> Settings:
        return self.resolved.settings

    @property
    def command(self) -> CommandTarget:
        """The target as a program; scenarios that need it carry @needs.command."""
        if not isinstance(self.target, CommandTarget):
            raise CheckFailed("this scenario lacks the tag @needs.command")
        return self.target

    @cached_property
    def servers(self) -> ServerPool:
        return self._exit_stack.enter_context(closing(ServerPool(self.command, self.settings)))

    def shared_programs(self) -> Iterator[LaunchedProgram]:
        """The shared servers that were started and not stopped."""
        parts = vars(self)
        for part in ("servers", "ollama_backends"):
            if part in parts:
                yield from parts[part].programs
        if "shared_servers" in parts:
            yield from (shared.server for shared in self.shared_servers.servers.values())

    @cached_property
    def script(self) -> Script:
        """The script of the scripted model."""
        return Script.standard()

    def scripted(self, format_name: str = "GGUF") -> ModelArguments:
        """The scripted model of the standard script in a format (GGUF, SafeTensors, GGML)."""
        return arguments_of(self.models.scripted(self.script, format=FORMATS[format_name]))

    def model(self, name: str) -> ModelArguments:
        """A model by its role (`support.models.roles`)."""
        if name == EMBEDDING:
            return ModelArguments(self.models.embedding().directory, None, "embedding")
        if name == TOOLS:
            return arguments_of(self.models.scripted_with_tools(self.script))
        if name == CATEGORICAL:
            return arguments_of(self.models.categorical())
        if name not in (SCRIPTED, UNLOADABLE):
            raise CheckFailed(f"there is no model {name!r}")
        return self.scripted()

    def endpoint(self, api: str, model: str) -> tuple[Endpoint, LaunchedProgram | None]:
        """The server under test of an API with a model, and its process if the suite started it."""
        if api in MONITORING_APIS:
            return self._monitored_endpoint(api), None
        if api not in NATIVE_APIS:
            backend = self.ollama_backends.under_test(model)
            components = tuple(self.components_under_test({NEEDS_OLLAMA_API}))
            return replace(self.ollama_endpoint(backend, model), components=components), backend.process
        if isinstance(self.target, UrlTarget):
            RESPONSIVENESS.require(self.target.url)
            own = self.settings.target_embedding_model if model == EMBEDDING else None
            return url_endpoint(self.target, api, self.settings.api_key, model=own), None
        arguments = self.model(model)
        server = self.servers.get(arguments)
        RESPONSIVENESS.require(server.url)
        return started_endpoint(self.target, server, arguments, api), server

    @property
    def monitoring(self) -> MonitoringSession:
        """The target with a Prometheus that scrapes it and an Alertmanager, started on first use.

        Raises `ProgramUnavailable`. The first scrape comes after 5 s (`wait_until_scraped`).
        """
        # Not at the top: few runs monitor a server.
        from support.monitoring.session import MonitoringSession, monitored_target

        def start() -> MonitoringSession:
            target = monitored_target(self.target, self.scripted, self.settings)
            return MonitoringSession(self.settings, Path(tempfile.mkdtemp(prefix="monitoring-")), target)

        session = self.helpers.get("monitoring", start)
        assert isinstance(session, MonitoringSession)
        return session

    def _monitored_endpoint(self, api: str) -> Endpoint:
        """The monitored server; one that has ended is started again. Or the user's own Prometheus."""
        if api == "prometheus":
            url = self.settings.prometheus_url
            if url is None:
                raise CheckFailed("this scenario lacks the tag @needs.prometheus_url")
            label = f"Prometheus at {redact_url(url)}"
            variables = {"model": "", "id": ""}
            return Endpoint(label, api, url, variables, surroundings=lambda: self._watched_server)
        if api == "exporter":
            return self._proxied_endpoint()
        session = self.monitoring
        url, name = session.require_server(), self.target.model_name
        components = ((self.target.program, self.target.version),)
        return Endpoint(
            self.target.label,
            api,
            url,
            {"model": name, "id": name},
            self.settings.api_key if isinstance(self.target, UrlTarget) else None,
            components=components,
            surroundings=lambda: session,
        )

    @cached_property
    def _watched_server(self) -> WatchedServer:
        """The target as the user's own Prometheus has it."""
        from support.monitoring.watched_server import WatchedServer

        assert isinstance(self.target, UrlTarget)
        return WatchedServer(self.target.url, self.settings.api_key)

    def _proxied_endpoint(self) -> Endpoint:
        """The shared server; another one was observed, as one without metrics is, once for all checks."""
        server = self.servers.get(self.scripted())
        endpoint = started_endpoint(self.command, server, self.scripted(), "exporter")
        return replace(endpoint, surroundings=lambda: self._outside_view)

    @cached_property
    def _outside_view(self) -> OutsideView:
        from support.monitoring.prompt_memory import PromptMemory, observe_prompts
        from support.monitoring.proxied_server import Observation, OutsideView, observe_proxied
        from support.monitoring.session import monitored_target
        from support.monitoring.soak import Soak, observe_soak

        def proxied() -> Observation:
            start = monitored_target(self.target, self.scripted, self.settings)
            assert callable(start)
            folder = Path(tempfile.mkdtemp(prefix="monitoring-"))
            return observe_proxied(start, self.settings, folder, self.target.model_name)

        def soak() -> Soak:
            # This model never ends an answer by itself, and the engine needs little time for it.
            arguments = self.model(CATEGORICAL)
            start = partial(start_server, self.command, arguments, self.settings)
            return observe_soak(start, self.settings, self.target.model_name)

        def prompts() -> PromptMemory:
            start = partial(start_server, self.command, self.model(SCRIPTED), self.settings)
            return observe_prompts(start, self.target.model_name)

        return OutsideView(proxied, soak, prompts)

    def dedicated_endpoint(
        self, api: str, model: str, cleanups: ExitStack
    ) -> tuple[Endpoint, LaunchedProgram]:
        """A server that is used for nothing else; it ends with `cleanups`."""
        arguments = self.model(model)
        server = start_server(self.command, arguments, self.settings)
        cleanups.callback(server.stop)
        return started_endpoint(self.command, server, arguments, api), server

    def ollama_endpoint(self, backend: OllamaBackend, model: str) -> Endpoint:
        """A server of the Ollama API with the model of a role."""
        unloads = backend.unloads
        reason = (
            partial(unsupported_reason, backend.program, unloads=unloads) if unloads is not None else None
        )
        return Endpoint(
            backend.label,
            "ollama",
            backend.url,
            {"model": backend.names[model]},
            unsupported_reason=reason,
            model_file=lambda: self.models.scripted(self.script).path,
        )

    @cached_property
    def known_issues(self) -> KnownIssues:
        """The listed differences of programs from their contracts; all count under the gate `strict`."""
        return KnownIssues(KnownIssues.load().entries, applied=self.settings.acceptance_gate != "strict")

    @cached_property
    def comparison(self) -> Comparison:
        """The servers beside the one under test; each is started on first use."""
        from support.conformance.comparison import Comparison

        behind = (self.target.program, self.target.version)
        candidates = [
            ComparedOllama(name, lambda: self.ollama_backends, behind)
            if name in OLLAMA_API_CHOICES
            else ComparedMistralRs(name, self.settings, self.model)
            for name in self.settings.compared_servers
        ]
        timeout = self.settings.seconds(30.0)
        comparison = Comparison(candidates, timeout, self.missing_routes, self.known_issues)
        return self._exit_stack.enter_context(closing(comparison))

    @cached_property
    def ollama_backends(self) -> OllamaBackends:
        """The servers of the Ollama API."""
        files = {
            SCRIPTED: lambda: self.models.scripted(self.script).path,
            TOOLS: lambda: self.models.scripted_with_tools(self.script).path,
            CATEGORICAL: lambda: self.models.categorical().path,
        }
        backends = OllamaBackends(self.settings, lambda role: files[role](), self._upstream)
        return self._exit_stack.enter_context(closing(backends))

    @cached_property
    def shared_servers(self) -> Pool[str, ServerWithGateway]:
        """Servers with gateways before them, by their use, apart from those of the whole run."""
        return self._exit_stack.enter_context(closing(Pool()))

    def _upstream(self, model: str) -> Upstream:
        unloads = not CAPABILITIES["needs.own_routes"].is_missing_in(self.target.program, self.target.version)
        require_model(self.target, model)
        if isinstance(self.target, UrlTarget):
            known = self.target.has_only_the_scripted_model
            file = self.models.scripted(self.script).path if known else None
            return Upstream(self.target.url, file, self.settings.api_key, unloads)
        arguments = self.model(model)
        file = arguments.directory / arguments.file if arguments.file else None
        server = self.servers.get(arguments, isolation=UNLOADABLE if model == UNLOADABLE else "")
        return Upstream(server.url, file, None, unloads, server)

    def components_under_test(self, tags: Collection[str]) -> list[tuple[str, str]]:
        """Program and version of what a scenario with these tags tests: the known issues of each apply.

        A gateway passes on the defects of the server behind it. A scenario that needs a real Ollama compares
        servers: each of them may be the one that differs.
        """
        target = (self.target.program, self.target.version)
        if NEEDS_OLLAMA_API not in tags:
            return [target]
        front = self.ollama_backends.last_version
        is_gateway = self.ollama_backends.kind == "gateway" or (front is not None and front[0] == GATEWAY)
        behind = [target] if NEEDS_OLLAMA in tags or is_gateway else []
        return [*([front] if front else []), *behind]

    def tool_calling_model(self) -> ModelArguments:
        """The scripted model that calls tools."""
        return arguments_of(self.models.scripted(Script.load(TOOLS_SCRIPT)))

    @cached_property
    def tool_server(self) -> ToolServer:
        """The suite's own MCP servers with their tools: one process, started on first use."""
        folder = self.folder / "tool-server"
        folder.mkdir()
        tool_server = ToolServer(folder, self.settings.seconds(READY_SECONDS))
        self._exit_stack.callback(tool_server.process.stop)
        return tool_server

    @cached_property
    def mcp_port(self) -> int:
        """The port of a target's MCP server."""
        return free_port()

    def close(self) -> None:
        """Stop the servers and remove the run's folder. Every end is tried; the last failure is raised."""
        self._exit_stack.close()
