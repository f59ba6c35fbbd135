"""Collects the results of the workers: their records in one file, and the reports of their crashes.

A single worker prints its progress to the terminal itself. With several, one line for each outcome is printed
here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from behave.formatter.base import StreamOpener

from support.reporting.behave_events import FinishedScenario, RunError
from support.reporting.console import OutcomePrinter, scenario_line
from support.reporting.recorder import record_of, run_error_record
from support.reporting.report_writer import RunReports
from support.results.behave_types import BehaveConfig, BehaveScenario
from support.results.outcome import Evidence, Verdict
from support.results.record import Record
from support.results.safe_text import one_line, seconds, visible
from support.runner.scheduler import Task
from support.runner.worker_pool import Worker

if TYPE_CHECKING:
    from support.reporting.allure_formatter import AcceptanceAllure


class ResultCollector:
    """Writes the records of all workers to one file; with `show_outcomes`, prints a line for each."""

    def __init__(
        self, config: BehaveConfig, reports: RunReports, stream: TextIO, *, show_outcomes: bool
    ) -> None:
        self._config = config
        self._folder = reports.folder
        self._results = reports.results
        self._stream = stream
        self._show_outcomes = show_outcomes
        self._printer = OutcomePrinter()
        self._allure: AcceptanceAllure | None = None

    def scenario_started(self, record: Record) -> None:
        """Its record states that the process ended; that of `scenario_finished` replaces it."""
        self._stream.write(record.to_line())

    def scenario_finished(self, record: Record) -> None:
        """A scenario has ended, or something failed outside all scenarios."""
        self.scenario_started(record)
        if self._show_outcomes:
            self._print_outcome(record)

    def run_error(self, worker: Worker, failure: RunError) -> None:
        """A worker could not start."""
        self._record_run_error(worker, failure, failure.location)

    def worker_crashed(self, worker: Worker, task: Task | None, reason: str) -> None:
        """A worker ended without its last message. `task.running` is the scenario that it ran, if any."""
        output = visible(worker.last_output())
        stacks = worker.hang_traceback()
        limit = one_line(stacks, 400)
        started = task.running if task is not None else None
        if task is None or started is None:
            feature = next(iter(task.scenarios.values())).feature.name if task is not None else ""
            location = f"{task.file}:1" if task is not None else "environment.py:1"
            message = limit or f"the worker process ended ({reason}) while no scenario ran"
            failure = RunError(f"worker {worker.worker_id}", feature, location, message, stacks or output)
            self._record_run_error(worker, failure, task.file if task is not None else "")
            return
        message = f"{limit}; the worker was killed" if limit else ""
        message = message or f"the worker process ended ({reason}) while this scenario ran"
        duration = time.time() - started.start
        scenario, checks = task.scenarios[started.location], tuple(task.checks.values())
        evidence = tuple(
            Evidence.text(name, visible(text), f"{name.replace(' ', '-')}.txt")
            for name, text in (("output of the worker", output), ("stacks", stacks))
            if text
        )
        trace = visible(stacks or output)
        verdict = Verdict("failed" if limit else "broken", message, trace, timed_out=bool(limit))
        record = replace(
            started,
            status=verdict.status,
            error=message,
            trace=verdict.trace,
            timed_out=verdict.timed_out,
            output=output,
            duration=round(duration, 4),
            checks=checks,
        )
        self.scenario_started(record)
        self._print_outcome(record)
        self._write_evidence(scenario, verdict, evidence)
        self._report(worker.worker_id).add(
            FinishedScenario(scenario, verdict, started.start, duration, evidence, checks=checks)
        )

    def _record_run_error(self, worker: Worker, failure: RunError, file: str) -> None:
        record = run_error_record(failure, self._config, file, worker.worker_id)
        self.scenario_started(record)
        self._print_outcome(record)
        self._report(worker.worker_id).run_error(failure)

    def _print_outcome(self, record: Record) -> None:
        known = record.status == "known_issue"
        verdict = Verdict(
            record.status,
            record.error or record.reason,
            record.trace,
            record.reason if known else "",
            record.source,
        )
        line = scenario_line(record.capability, record.name)
        self._printer.print_outcome(verdict, f"{seconds(record.duration):>6}  {line}")

    def _write_evidence(
        self, scenario: BehaveScenario, verdict: Verdict, evidence: tuple[Evidence, ...]
    ) -> None:
        from support.reporting.evidence import failure_evidence, write_evidence

        write_evidence(
            [failure_evidence(verdict.message, verdict.trace), *evidence],
            self._folder,
            scenario.filename,
            scenario.line,
        )

    def _report(self, worker_id: str) -> AcceptanceAllure:
        self._allure = self._allure or _allure(self._config, self._results)
        self._config.userdata["worker"] = worker_id
        return self._allure


def report_not_run(
    scenarios: Sequence[tuple[BehaveScenario, str]], config: BehaveConfig, reports: RunReports
) -> None:
    """Report the scenarios that did not run, with the reason, as skipped."""
    if not scenarios:
        return
    moment = time.time()
    config.userdata["worker"] = "main"
    allure = _allure(config, reports.results)
    with reports.open_records("a") as stream:
        for scenario, reason in scenarios:
            message = visible(f"not run: {reason}")
            stream.write(
                record_of(scenario, config, status="skipped", reason=message, start=moment).to_line()
            )
            allure.add(FinishedScenario(scenario, Verdict("skipped", message), moment, 0.0))


def _allure(config: BehaveConfig, results: Path) -> AcceptanceAllure:
    # Its import takes a while, and most runs need none of it here.
    from support.reporting.allure_formatter import AcceptanceAllure

    return AcceptanceAllure(StreamOpener(str(results)), config)
