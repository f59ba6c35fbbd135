"""The state and the parts of one scenario: created before it, closed after it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from support.chat.conversation import Conversation
from support.errors import CheckFailed, NotSupported, SeveralFailures
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.models.roles import SCRIPTED
from support.programs.launcher import LaunchedProgram
from support.programs.starts import STARTS, ServerStart
from support.reporting.evidence import Metrics, ScenarioEvidence
from support.results.causes import panic_lines
from support.results.check import CheckResult
from support.results.must_check import MustCheck
from support.results.outcome import Evidence
from support.results.scenario_result import ScenarioResult
from support.scenario import ScenarioContext
from support.servers import cli_checks, launch_checks, launch_plans
from support.servers.dedicated import DIRECT, GATEWAY, REAL
from support.servers.discovery import UrlTarget
from support.servers.endpoints import Endpoint
from support.servers.mistralrs import LaunchResult, start_server, try_start
from support.servers.network_monitor import NetworkMonitor
from support.servers.post_mortem import await_end, cause_of_death, cause_of_panic
from support.suite import RunContext
from support.terminal.scenario import TerminalScenario

if TYPE_CHECKING:
    from support.aider.scenario import AiderScenario
    from support.chat.client import ChatClient
    from support.chat.scenario import ParityScenario
    from support.chat.scenario_servers import ScenarioServers
    from support.clients.scenario import ClientScenario
    from support.clients.task import TaskResult
    from support.conformance.scenario import ConformanceScenario
    from support.faults.scenario import FaultScenario
    from support.mcp.scenario import McpScenario
    from support.performance.scenario import PerformanceScenario


class World(ScenarioContext):  # noqa: PLR0904 - one member for each part of a scenario
    """The state of one scenario, and its parts, which are created on first use.

    Whatever it acquires is released through `cleanups`.
    """

    def __init__(self, suite: RunContext, folder: Path) -> None:
        super().__init__(suite, folder)
        self.checks: list[CheckResult] = []
        self.check_evidence: dict[str, list[Evidence]] = {}
        self._collected = False
        self._failed_starts = len(STARTS.failed)
        self.program = cli_checks.ProgramRuns(folder)
        self.launch_result: MustCheck[LaunchResult] = self.must_check("server start")
        self.models: MustCheck[Exchange] = self.must_check("list of models")
        self.difference: MustCheck[str] = self.must_check("comparison with a real Ollama")
        self.task_result: MustCheck[TaskResult] = self.must_check("task of the official client")
        self.conversation = Conversation(self.api, suite)
        self.add_results([self.program.completed, self.conversation.answers])
        self.terminal = TerminalScenario(self)
        self.plan: launch_plans.LaunchPlan | None = None
        self._network_monitor: NetworkMonitor | None = None
        self._metrics: Metrics | None = None
        self._client: ApiClient | None = None
        self.add_exchanges(lambda: () if self._client is None else self._client.exchanges)

    @property
    def result(self) -> ScenarioResult:
        """What the When step of this scenario has produced."""
        parts: tuple[ScenarioResult | None, ...] = (
            vars(self).get("mcp"),
            vars(self).get("faults"),
            vars(self).get("parity"),
            self.terminal,
            self.conversation,
            self.program,
            launch_checks.ServerStart(self.launch_result),
        )
        for part in parts:
            if part is not None and part.available:
                return part
        raise LookupError("no result yet: a When step has to come first")

    def require_model(self, servers: Sequence[str], model: str) -> None:
        """Raise `NotSupported` when these servers do not serve this model; `any model` is not checked."""
        compared = [name for name in servers if name in (DIRECT, GATEWAY, REAL)]
        if compared and model == "the scripted model":
            self.parity.endpoints.require_same_model(compared)
        target = self.suite.target
        ollama_api = "an Ollama API server" in servers  # each of its checks has a server with its own model
        suite_models = ["the tool-calling model", "the known-distribution model"]
        if self.suite.settings.target_embedding_model is None:
            suite_models.append("the embedding model")
        if model in suite_models and isinstance(target, UrlTarget) and not ollama_api:
            raise NotSupported(f"{target.label} has its own models, not {model}")

    # -- the program on the command line and in a terminal

    def prompt_once(self, question: str, *, terminal: bool) -> None:
        """Run a one-shot prompt with the planned model, in a terminal or without one."""
        arguments = self.suite.command.command_line.ask_once(self.planned.model, question)
        if terminal:
            self.terminal.prompt_once(arguments, question)
        else:
            self.program.run(self.suite.command, arguments, self.suite.settings)

    # -- servers of this scenario

    @property
    def planned(self) -> launch_plans.LaunchPlan:
        """The start that a Given step has prepared."""
        if self.plan is None:
            raise CheckFailed("a Given step with a model has to come first")
        return self.plan

    @property
    def network(self) -> NetworkMonitor:
        """The network monitor that a Given step has started."""
        if self._network_monitor is None:
            raise CheckFailed("a Given step that monitors the network has to come first")
        return self._network_monitor

    def occupy_port(self) -> None:
        """Listen on the port of the planned start."""
        blocker = self.cleanups.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = blocker.getsockname()[1]
        self.plan = replace(self.planned, port=port, expected_words=launch_plans.PORT_TAKEN)

    def watch_network(self) -> None:
        """From now on every connection to another machine goes to the network monitor."""
        self._network_monitor = NetworkMonitor()
        self.cleanups.callback(self._network_monitor.close)

    def start_server(self) -> None:
        """Start the server on the planned model; ready or refused, the attempt is to be checked."""
        suite, plan = self.suite, self.planned
        environment = self._network_monitor.environment if self._network_monitor else None
        made = try_start(
            lambda: start_server(
                suite.command,
                plan.model,
                suite.settings,
                port=plan.port,
                environment=environment,
                options=plan.options,
            )
        )
        self.launch_result.set(made)
        if made.server is not None:
            self.cleanups.callback(made.server.stop)
            self.require_alive(made.server)
            # Kept apart by format and program: figures of two programs make no trend.
            key, what = f"load.{plan.model.format}", f"{suite.command.program}, {plan.model.format} model"
            self.record(f"{key}.seconds.{suite.command.program}", f"{what}: ready after", made.seconds, "s")
            memory = made.server.resident_memory() / 1e6
            self.record(f"{key}.memory.{suite.command.program}", f"{what}: memory", memory, "MB")

    @property
    def running(self) -> LaunchedProgram:
        """The server of this scenario."""
        if self.server is None:
            raise CheckFailed("no server was started")
        return self.server

    # -- its API

    @property
    def client(self) -> ApiClient:
        """A client of this scenario's own server, else of the shared one or of TARGET_URL."""
        if self._client is not None:
            return self._client
        if self.server is not None:
            return self._connect(self.server.url)
        return self._use_server(*self.suite.endpoint("openai", SCRIPTED))

    def _use_server(self, server: Endpoint, process: LaunchedProgram | None) -> ApiClient:
        """A client; the log of the server, and its metrics if it has some, are evidence of this scenario."""
        if process is not None and process is not self.server:
            self.require_alive(process)
        if self._client is not None and self._client.base_url == server.base_url:
            return self._client
        return self._connect(server.base_url, server.key)

    def _connect(self, url: str, key: str | None = None) -> ApiClient:
        client = ApiClient(url, api_key=key, timeout=self.suite.settings.seconds(30.0))
        self.cleanups.callback(client.close)
        self._client, self._metrics = client, Metrics(client)
        return client

    def api(self, model: str = "") -> ChatClient:
        """The OpenAI API of that server; without a name, with the model that it serves by default."""
        # Not at the top: OpenAI's package comes with it, and takes half a second.
        from support.chat.client import ChatClient

        return ChatClient(self.client, model or self.suite.target.model_name)

    def check_list(self) -> list[str]:
        """The names in the list of models, which has to be well-formed and without any name twice."""
        from support.chat.client import model_names

        return model_names(self.models.get())

    # -- checks of an API

    @cached_property
    def conformance(self) -> ConformanceScenario:
        """Runs a group of checks; their results are `checks`."""
        # Not at the top: OpenAI's package comes with it, and takes half a second.
        from support.conformance.scenario import ConformanceScenario

        scenario = ConformanceScenario(self.suite, self.cleanups, self._use_server, self.checks)
        self.add_results([scenario.group])
        self.add_exchanges(lambda: scenario.exchanges)
        scenario.evidence = self.evidence
        return scenario

    def compare_with_ollama(self, question: str) -> None:
        """Send a question to the server of the Ollama API and to a real Ollama; compare the answers."""
        # Not at the top: the official clients come with it.
        from support.conformance.sequences.ollama import OllamaClient, require_same_answer

        reference = self.suite.ollama_endpoint(self.suite.ollama_backends.real(), SCRIPTED)
        server, process = self.suite.endpoint("ollama", SCRIPTED)
        client = self._use_server(server, process)
        real = ApiClient(reference.base_url, timeout=self.suite.settings.seconds(30.0))
        self.cleanups.callback(real.close)
        try:
            require_same_answer(question, OllamaClient(client, server), OllamaClient(real, reference))
        except AssertionError as error:
            self.difference.set(str(error))
        else:
            self.difference.set("")

    def run_sdk_task(self, api: str, task: str) -> None:
        """Run a task with the official client of an API; the result has to be checked.

        Raises `NotSupported` when a case has found the API missing.
        """
        from support.clients.task import run_sdk_task

        server, process = self.suite.endpoint(api.lower(), SCRIPTED)
        self.conformance.require_api(server)
        if process is not None:
            self.require_alive(process)
        recorder = self.new_recorder()
        self.task_result.set(run_sdk_task(server, task, self.suite.settings.seconds(30.0), recorder))

    # -- several servers

    def ask_servers(self, servers: Sequence[str], question: str, options: Mapping[str, object]) -> None:
        """Ask several servers or endpoints, or every listed model of one server; the answers are compared."""
        if servers != ("every listed model",):
            self.parity.ask(servers, self.conversation.messages, question, options)
        elif self.servers.has_dedicated:
            self.parity.ask_every_name(question)
        else:
            self.models.set(self.api().models())
            self.conversation.ask_each(map(self.api, self.check_list()), question, options)

    @cached_property
    def servers(self) -> ScenarioServers:
        """The servers of the run that this scenario chats with, and servers of its own."""
        # Not at the top, as the other parts: OpenAI's package comes with it.
        from support.chat.scenario_servers import ScenarioServers

        return ScenarioServers(self)

    @cached_property
    def parity(self) -> ParityScenario:
        from support.chat.scenario import ParityScenario

        return ParityScenario(self.servers)

    @cached_property
    def performance(self) -> PerformanceScenario:
        from support.performance.scenario import PerformanceScenario

        return PerformanceScenario(self.servers)

    @cached_property
    def faults(self) -> FaultScenario:
        from support.faults.scenario import FaultScenario

        return FaultScenario(self.servers)

    @cached_property
    def clients(self) -> ClientScenario:
        from support.clients.scenario import ClientScenario

        return ClientScenario(self.servers)

    @cached_property
    def aider(self) -> AiderScenario:
        from support.aider.host import start_host

        # Aider is imported in its own process while this one imports its modules and starts the server.
        start_host(self.suite)
        from support.aider.scenario import AiderScenario

        return AiderScenario(self.servers)

    @cached_property
    def mcp(self) -> McpScenario:
        """Agents that use the server of this scenario, and tool servers that it uses."""
        from support.mcp.scenario import McpScenario

        return McpScenario(self)

    # -- what remains

    def components_under_test(self, tags: Collection[str]) -> list[tuple[str, str]]:
        """Program and version of each server under test: those that the scenario has chosen, if any."""
        return self.components or self.suite.components_under_test(tags)

    def check_at_end(self) -> None:
        """Checks after every scenario that passed: results were checked, and nothing has crashed."""
        self.require_results_checked()
        self._require_no_crash()

    def check_crashes(self, *, unanswered: bool) -> None:
        """Checks after a failed step: the listed failure of a known issue covers no crash beside it.

        A group of checks has looked for the crashes of each check. `unanswered`: a request failed, which may
        be noticed some moments before the end of its server.
        """
        if self.checks:
            return
        if unanswered and self.server is not None:
            await_end(self.server)
        self._require_no_crash()

    def _require_no_crash(self) -> None:
        """The server is alive, and neither its log nor a terminal shows a panic."""
        crashes, cause = self.crashes_of_server()
        crashes = [*self.terminal.crashes(), *crashes]
        if crashes:
            raise SeveralFailures("\n".join(crashes), crashes, cause)

    def crashes_of_server(self) -> tuple[list[str], str]:
        """What happened to the server, and the cause of all that failed for it."""
        if self.server is None:
            return [], ""
        try:
            log = self.server.log_since(self._log_position)
        except FileNotFoundError:
            if self.server.end_is_known:
                # The suite has ended it and removed its log.
                return [], ""
            log = "(it was removed)"
        crashes, cause = [], ""
        if panics := panic_lines(log):
            crashes.append(f"the server's log contains a panic: {panics[0]}")
            cause = cause_of_panic(self.server, log)
        if not self.server.alive:
            self.server.end_is_known = True
            crashes.insert(0, f"the server died during the scenario; the end of its log:\n{log[-1500:]}")
            cause = cause_of_death(self.server, log)
        return crashes, cause

    def collect(self) -> None:
        """Collect the evidence of a failure, once, while the servers still run."""
        if self._collected:
            return
        self._collected = True
        refused = [made.failure.log for made in self.launch_result.all() if made.failure is not None]
        scene = ScenarioEvidence(
            settings=self.suite.resolved.table(),
            log="".join(refused) or None if self.server is None else self._log(self.server),
            exchanges=self.exchanges(),
            metrics=self._metrics,
            commands=self.program.completed.all(),
            transcripts=self.terminal.transcripts(),
            starts=self._starts(),
            folder=self.folder,
            replayable=self._replayable,
        )
        self.evidence += scene.attachments()
        for source in self._evidence_sources:
            self.evidence += source()
        if "conformance" in vars(self):
            for name, exchanges in self.conformance.exchanges_by_id.items():
                own = ScenarioEvidence(settings=(), exchanges=exchanges).attachments()
                self.check_evidence[name] = own

    @property
    def _replayable(self) -> bool:
        """Not with users at the same time, tool servers, official clients, a terminal or other programs."""
        parts = {"mcp", "parity", "performance", "faults", "clients", "aider"} & vars(self).keys()
        other = (self.task_result, self.difference, self.program.completed)
        return not (parts or self.terminal.transcripts() or any(result.available for result in other))

    def _starts(self) -> list[ServerStart]:
        """Of the server that this scenario is about, and of those that did not become ready."""
        own = self.server is not None and self.launch_result.available and STARTS.find(self.server.url)
        return [*([own] if own else []), *STARTS.failed[self._failed_starts :]]

    def _log(self, server: LaunchedProgram) -> str:
        """What the server wrote since the scenario began; a server that was removed has left nothing."""
        try:
            return server.log_since(self._log_position)
        except FileNotFoundError:
            return "(removed with the server, before the failure was found)\n"


# Each starts or shares the server that its description names.
DEDICATED_SERVERS: Mapping[str, Callable[[World], None]] = {
    "server": lambda world: world.servers.start_dedicated(),
    "server without a prefix cache": lambda world: world.servers.start_dedicated(
        options=("--prefix-cache-n", "0")
    ),
    "server with a random model of 5 million weights": lambda world: world.servers.start_dedicated(
        options=("--prefix-cache-n", "0"), model=world.suite.models.sized(5)
    ),
    "server with a batch size of 1": lambda world: world.servers.start_dedicated(max_seqs=1),
    "server with a 32k context behind a gateway": lambda world: world.servers.share("disconnecting"),
    "server with an unloadable model behind a gateway": lambda world: world.servers.share("unloading"),
    "server with a memory limit": lambda world: world.faults.start_memory_limited(),
}


class StepContext(Protocol):
    """All that a step may use of behave's context."""

    suite: RunContext
    world: World
    table: Sequence[Mapping[str, str]]
    text: str
