"""Many concurrent users, and measured loads, in one scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from support.chat.client import OLLAMA_CHAT, ChatEndpoint
from support.chat.scenario_servers import ScenarioServers
from support.models.files import ModelFiles
from support.models.roles import SCRIPTED
from support.performance.benchmark_command import BenchmarkSender
from support.performance.compared_servers import ComparedServers, compare_servers
from support.performance.concurrency import (
    ConcurrentAnswers,
    PromptLengthProbe,
    ask_concurrently,
    ask_lengths_concurrently,
    keyword_answers,
)
from support.performance.history_entries import entry_of_comparison
from support.performance.load.plan import ApiName, LoadPlan
from support.performance.load_history import entry_of
from support.performance.load_table import SCRIPTED_MODEL, NewServers, Sender, load_table
from support.performance.measured_load import (
    DECODE_RATE,
    ENERGY,
    FIGURES,
    KEPT_MEMORY,
    PREFILL_RATE,
    READY,
    REQUEST_MEMORY,
    THROUGHPUT,
    MeasuredLoad,
)
from support.performance.regression import keep
from support.performance.service_levels import MeasuredLoads, Send, measure_loads
from support.performance.thresholds import load_profile
from support.programs.energy import energy_counters
from support.programs.process import CompletedCommand
from support.programs.smollm2 import smollm2
from support.results.must_check import MustCheck
from support.results.outcome import Evidence
from support.servers.cli_checks import call
from support.servers.dedicated import DIRECT
from support.servers.launch_plans import SMOLLM2, arguments_of
from support.servers.mistralrs import READY_SECONDS

# Of one answer of a load; the limits of service levels are far below.
LOADED_SECONDS = 10.0
# For the analysis of the last load, and the figures of all.
AFTER_LOADS_SECONDS = 5.0
# The keyword of the scripted answer without an end.
ENDLESS = "forever"
# By their names in the features.
DIFFERENT_LENGTHS, ANSWER_OR_BUSY = "with prompts of different lengths", "the right answer or a busy error"
PROMPTS = ("about different topics", DIFFERENT_LENGTHS)
USER_OUTCOMES = ("the answer to their own question", ANSWER_OR_BUSY)


class PerformanceScenario:
    """Fresh for each scenario."""

    def __init__(self, servers: ScenarioServers) -> None:
        context = servers.context
        self.answers: MustCheck[ConcurrentAnswers] = context.must_check("answers of concurrent users")
        self.lengths: MustCheck[PromptLengthProbe] = context.must_check("answers to different lengths")
        self.loads: MustCheck[MeasuredLoads] = context.must_check("measured load")
        self.comparison: MustCheck[ComparedServers] = context.must_check("comparison of two servers")
        self._servers = servers

    def ask(self, users: int, server: str, prompts: str, *, stream: bool) -> None:
        """Many users at once, with the prompts of this name (`PROMPTS`); different lengths: any model.

        They may be too many for the server that a Given step has started.
        """
        timeout = self._servers.answer_timeout
        if prompts == DIFFERENT_LENGTHS:
            endpoint = self._servers.endpoints.endpoint(server)
            self.lengths.set(ask_lengths_concurrently(endpoint, users, stream=stream, timeout=timeout))
            return
        endpoint = self._scripted_endpoint(server)
        keywords = keyword_answers(self._servers.suite.script)
        self.answers.set(ask_concurrently(endpoint, keywords, users, stream=stream, timeout=timeout))

    def _scripted_endpoint(self, server: str) -> ChatEndpoint:
        """Of the server that a Given step has started, else of the run; it has the scripted model."""
        servers = self._servers
        if servers.has_dedicated:
            return servers.dedicated_endpoint(server)
        servers.endpoints.require_scripted(server)
        return servers.endpoints.endpoint(server)

    def require(self, outcome: str) -> None:
        """Every user got `the answer to their own question`, or `the right answer or a busy error`."""
        if self.lengths.available:
            self.lengths.get().require_own_answers()
        elif outcome == ANSWER_OR_BUSY:
            self.answers.get().require_served_or_busy()
        else:
            self.answers.get().require_own_answers()

    # -- measured loads

    def measure(self, names: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
        """Send loads of endless scripted answers, cut at the requested length. `rows`: see `load_table`.

        Two servers are compared: see `compared_servers`.
        """
        if len(names) > 1:
            self._compare(names, rows)
            return
        server = names[0]
        servers, endpoint = self._servers, self._scripted_endpoint(server)
        api: ApiName = "ollama" if endpoint.protocol is OLLAMA_CHAT else "openai"
        plan = LoadPlan(
            endpoint.url,
            endpoint.model,
            api,
            users=1,
            requests=1,
            question=ENDLESS,
            timeout=servers.suite.settings.seconds(LOADED_SECONDS),
            key=endpoint.key,
        )
        watched = servers.context.server if server == DIRECT else None
        send = Sender(watched.process.pid if watched else None, energy_counters())
        ready_seconds = servers.suite.settings.seconds(READY_SECONDS)
        models = NewServers(self._models(), servers.start_plain, self._benchmark(), ready_seconds)
        table = load_table(rows, plan, send, models)
        folder, within = servers.context.folder / "loads", self._seconds_for_loads()
        loads = measure_loads(table.loads, folder, table.rounds, within)
        self.loads.set(loads)
        servers.context.evidence.append(Evidence.text("measured loads", loads.table(), "loads.txt"))
        kept: list[str] = []
        for load in loads.loads:
            self._record(server, load)
            self._keep(server, load, kept.append)
        if kept:
            servers.context.evidence.append(
                Evidence.text("history of the loads", "\n".join(kept), "history.txt")
            )

    def _seconds_for_loads(self) -> float:
        """What the step has left, without the time for what comes after its loads."""
        suite = self._servers.suite
        return suite.step_seconds_left() - suite.settings.seconds(AFTER_LOADS_SECONDS)

    def _compare(self, names: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
        servers = self._servers
        timeout = servers.suite.settings.seconds(LOADED_SECONDS)
        # Its target is replaced by each of them.
        load = LoadPlan("http://", "", users=1, requests=1, question=ENDLESS, timeout=timeout)
        found = compare_servers(servers, (names[0], names[1]), rows, load, self._seconds_for_loads)
        self.comparison.set(found)
        evidence = servers.context.evidence
        evidence.append(Evidence.text("comparison", found.text(), "comparison.txt"))
        evidence.append(Evidence("comparison by rounds", "text/csv", found.csv().encode(), "comparison.csv"))
        kept: list[str] = []
        if (entry := entry_of_comparison(found.comparisons[-1], SCRIPTED)) is not None:
            keep(entry, servers.suite.settings.load_history, kept.append)
            evidence.append(Evidence.text("history of the comparison", "\n".join(kept), "history.txt"))
        for figure in found.comparisons[-1].figures:
            if figure.ratio and found.comparisons[-1].has_ratios:
                title = f"{' by '.join(names)}: {figure.name}"
                servers.context.record(
                    f"ratio.{'.'.join(names)}.{figure.name}", title, figure.ratio.value, "x"
                )

    def _benchmark(self) -> Send | None:
        """The benchmark command with the model of the server that a Given step has started."""
        servers, model = self._servers, self._servers.dedicated_model
        if model is None:
            return None
        suite = servers.suite
        arguments = suite.command.command_line.model_options(arguments_of(model))

        def run(options: Sequence[str]) -> CompletedCommand:
            words = ["bench", *options, *arguments]
            return call(suite.command, words, servers.context.folder, suite.settings)

        return BenchmarkSender(run)

    def _models(self) -> Mapping[str, Callable[[], ModelFiles]]:
        """Of new servers, by their names in the tables."""
        suite = self._servers.suite
        return {
            SCRIPTED_MODEL: lambda: suite.models.scripted(suite.script),
            SMOLLM2: lambda: smollm2(suite.settings.acceptance_cache_dir),
        }

    def _record(self, server: str, load: MeasuredLoad) -> None:
        """Keep what was measured of a load for the report."""
        # A single round has no memory of a request: what the server takes once is in it.
        memory = (REQUEST_MEMORY, KEPT_MEMORY) if len(load.rounds) > 1 else ()
        rates = (DECODE_RATE, PREFILL_RATE) if len(load.rounds) > 1 else ()
        for name in (THROUGHPUT, READY, ENERGY, *memory, *rates):
            if (value := load.mean(name)) is not None:
                key = f"load.{server}.{load.name}.{load.plan.prompt_words}.{name}"
                self._servers.context.record(key, f"{server}, {load.name}: {name}", value, FIGURES[name].unit)

    def _keep(self, server: str, load: MeasuredLoad, report: Callable[[str], None]) -> None:
        """Compare it with the last accepted one of this machine; one of special conditions is not kept."""
        if load.overload or load.repeats or load.file_size is not None:
            return
        target, settings = self._servers.suite.target, self._servers.suite.settings
        program = target.program if server == DIRECT else f"{server} of {target.program}"
        # Its name in requests may be that of any model.
        # A Given step may have started its server with options of its own.
        name = "server of the scenario" if self._servers.has_dedicated else ""
        entry = entry_of(load.results, program, target.version, SCRIPTED, name)
        if entry is not None:
            report(f"{load.name}, {load.plan.prompt_words} words")
            keep(entry, settings.load_history, report)

    def require_level(self, name: str) -> None:
        """The service level of this name, in the profile of the settings."""
        settings = self._servers.suite.settings
        profile = load_profile(settings.performance_profile, settings.performance_thresholds)
        self.loads.get().require_level(name, profile)

    def require_comparison(self, expected: str) -> None:
        """`a ratio of 1`, or `the same work`."""
        self.comparison.get().require(expected)
