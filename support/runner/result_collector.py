"""What the master of a run tells: a record of everything, and what nobody else lived to tell.

The terminal belongs to the worker when there is one. With several, their outcomes are told here, in a line
each.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from behave.formatter.base import StreamOpener

from support.reporting.behave_events import Ended, OutsideFailure
from support.reporting.console import OutcomeLines, scenario_line
from support.reporting.record_formatter import record_of, record_outside
from support.reporting.report_writer import RunReports
from support.results.outcome import Evidence, Verdict
from support.results.record import Record
from support.results.safe_text import one_line, seconds, visible
from support.runner.scheduler import Task
from support.runner.time_limits import is_over_budget
from support.runner.worker_pool import Worker

if TYPE_CHECKING:
    from support.reporting.allure_formatter import AcceptanceAllure


class Teller:
    """Writes the records of all workers into one file. `speaks`: and a line for each on the terminal."""

    def __init__(self, config: Any, reports: RunReports, stream: TextIO, *, speaks: bool) -> None:
        self._config = config
        self._folder = reports.folder
        self._results = reports.results
        self._stream = stream
        self._speaks = speaks
        self._lines = OutcomeLines()
        self._allure: AcceptanceAllure | None = None

    def begins(self, record: Record) -> None:
        self._stream.write(record.to_line())
        self._stream.flush()

    def ends(self, record: Record) -> None:
        self.begins(record)
        if self._speaks:
            self._say(record)

    def outside(self, worker: Worker, failure: OutsideFailure) -> None:
        self._outside(worker, failure, failure.location)

    def died(self, worker: Worker, task: Task | None, how: str) -> None:
        said = visible(worker.said())
        stacks = worker.stacks_text()
        limit = one_line(stacks, 400)
        begun = task.current if task is not None else None
        if task is None or begun is None:
            feature = next(iter(task.scenarios.values())).feature.name if task is not None else ""
            location = f"{task.file}:1" if task is not None else "environment.py:1"
            message = limit or f"the worker process ended ({how}) while no scenario ran"
            failure = OutsideFailure(f"worker {worker.lane}", feature, location, message, stacks or said)
            self._outside(worker, failure, task.file if task is not None else "")
            return
        message = f"{limit}, so that its process was ended" if limit else ""
        message = message or f"the worker process ended ({how}) while this scenario ran"
        status = "failed" if is_over_budget("failed", message) else "broken"
        duration = time.time() - begun.start
        scenario = task.scenarios[begun.location]
        evidence = tuple(
            Evidence.text(name, visible(text), f"{name.replace(' ', '-')}.txt")
            for name, text in (("output of the worker", said), ("stacks", stacks))
            if text
        )
        verdict = Verdict(status, message, visible(stacks or said))  # type: ignore[arg-type]
        record = replace(
            begun,
            status=verdict.status,
            error=message,
            trace=verdict.trace,
            output=said,
            duration=round(duration, 4),
        )
        self.begins(record)
        self._say(record)
        self._keep(scenario, verdict, evidence)
        self._report(worker.lane).add(Ended(scenario, verdict, evidence, (), begun.start, duration))

    def _outside(self, worker: Worker, failure: OutsideFailure, file: str) -> None:
        record = record_outside(failure, self._config, file, worker.lane)
        self.begins(record)
        self._say(record)
        self._report(worker.lane).report(failure)

    def _say(self, record: Record) -> None:
        known = record.status == "known_issue"
        verdict = Verdict(
            record.status,
            record.error or record.reason,
            record.trace,
            record.reason if known else "",
            record.source,
        )
        line = scenario_line(record.capability, record.name)
        self._lines.outcome(verdict, f"{seconds(record.duration):>6}  {line}")

    def _keep(self, scenario: Any, verdict: Verdict, evidence: tuple[Evidence, ...]) -> None:
        from support.reporting.evidence import failure, keep

        keep(
            [failure(verdict.message, verdict.trace), *evidence],
            self._folder,
            scenario.filename,
            scenario.line,
        )

    def _report(self, lane: str) -> AcceptanceAllure:
        self._allure = self._allure or _allure(self._config, self._results)
        self._config.userdata["worker"] = lane
        return self._allure


def tell_unreached(scenarios: Sequence[tuple[Any, str]], config: Any, reports: RunReports) -> None:
    """Scenarios that the run never came to, and why: skipped, in every report."""
    if not scenarios:
        return
    moment = time.time()
    config.userdata["worker"] = "main"
    allure = _allure(config, reports.results)
    with reports.records.open("a", encoding="ascii") as stream:
        for scenario, why in scenarios:
            reason = visible(f"not run: {why}")
            stream.write(record_of(scenario, config, status="skipped", reason=reason, start=moment).to_line())
            allure.add(Ended(scenario, Verdict("skipped", reason), (), (), moment, 0.0))


def _allure(config: Any, results: Path) -> AcceptanceAllure:
    # Its import takes a while, and most runs need none of it here.
    from support.reporting.allure_formatter import AcceptanceAllure

    config.userdata["allure_keep"] = "true"
    return AcceptanceAllure(StreamOpener(str(results)), config)
