"""What the parts of one scenario share: the run, the cleanups, results to check, evidence to report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, TypeVar

from support.http.exchange import Exchange
from support.http.recorder import ExchangeRecorder
from support.programs.launcher import LaunchedProgram, LogPosition
from support.results.must_check import MustCheck
from support.results.outcome import Evidence, Measurement
from support.suite import RunContext

T = TypeVar("T")


class Checkable(Protocol):
    """A `MustCheck` of any type."""

    def require_checked(self) -> None: ...


class ScenarioContext:
    """Fresh for each scenario. Every part registers its results and its evidence here when it is created.

    `components`: program and version of each server that the scenario has chosen itself.
    """

    def __init__(self, suite: RunContext, folder: Path) -> None:
        self.suite = suite
        self.folder = folder
        self.cleanups = ExitStack()
        self.evidence: list[Evidence] = []
        self.measures: list[Measurement] = []
        self.components: list[tuple[str, str]] = []
        self.server: LaunchedProgram | None = None
        self._results: list[Checkable] = []
        self._exchange_sources: list[Callable[[], Iterable[Exchange]]] = []
        self._evidence_sources: list[Callable[[], Iterable[Evidence]]] = []
        self._log_position: LogPosition = (0, 0)

    def must_check(self, what: str) -> MustCheck[T]:
        """A result that a step of this scenario has to check."""
        result: MustCheck[T] = MustCheck(what)
        self._results.append(result)
        return result

    def add_results(self, results: Iterable[Checkable]) -> None:
        """The same for results that exist already."""
        self._results += results

    def add_exchanges(self, source: Callable[[], Iterable[Exchange]]) -> None:
        """Requests and responses that are evidence of a failure; called when they are collected."""
        self._exchange_sources.append(source)

    def new_recorder(self) -> ExchangeRecorder:
        """For another client: its requests are evidence of a failure."""
        recorder = ExchangeRecorder()
        self.add_exchanges(lambda: recorder.exchanges)
        return recorder

    def add_evidence(self, source: Callable[[], Iterable[Evidence]]) -> None:
        """More evidence of a failure; called when it is collected."""
        self._evidence_sources.append(source)

    def exchanges(self) -> list[Exchange]:
        """Requests and responses of all parts, part after part."""
        return [exchange for source in self._exchange_sources for exchange in source()]

    def require_results_checked(self) -> None:
        """Raises `UncheckedResult` when a result was not checked by any step."""
        for result in self._results:
            result.require_checked()

    def record(self, key: str, title: str, value: float, unit: str) -> None:
        """Keep a measured figure for the report."""
        self.measures.append(Measurement(key, title, value, unit))
        print(f"{title}: {value:.3g} {unit}")

    def record_component(self, program: str, version: str) -> None:
        """A server that this scenario tests."""
        if (program, version) not in self.components:
            self.components.append((program, version))

    def require_alive(self, server: LaunchedProgram) -> None:
        """From now on this server has to stay alive, and its log must not contain a panic."""
        self.server = server
        self._log_position = server.log_position
