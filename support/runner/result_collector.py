"""Collects the results of the workers: their records in one file, and the records of their crashes.

A single worker prints its progress to the terminal itself. With several, one line for each outcome is printed
here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TextIO

from support.reporting.allure_results import store_attachments
from support.reporting.behave_events import RunError
from support.reporting.console import OutcomePrinter, scenario_line
from support.reporting.evidence import failure_evidence, write_evidence
from support.reporting.recorder import record_of, run_error_record
from support.reporting.report_writer import RunReports
from support.results.behave_types import BehaveConfig, BehaveScenario
from support.results.outcome import Evidence, Verdict
from support.results.record import Record
from support.results.safe_text import one_line, seconds, visible
from support.runner.scheduler import Task
from support.runner.worker_pool import Worker


class ResultCollector:
    """Writes the records of all workers to one file; with `show_outcomes`, prints a line for each."""

    def __init__(
        self, config: BehaveConfig, reports: RunReports, stream: TextIO, *, show_outcomes: bool
    ) -> None:
        self._config = config
        self._reports = reports
        self._stream = stream
        self._show_outcomes = show_outcomes
        self._printer = OutcomePrinter()

    def scenario_started(self, record: Record) -> None:
        self._stream.write(record.to_line())

    def scenario_finished(self, record: Record) -> None:
        self._stream.write(record.to_line())
        if self._show_outcomes:
            self._print_outcome(record)

    def run_error(self, worker: Worker, failure: RunError) -> None:
        self._record_run_error(worker, failure, failure.location)

    def worker_crashed(self, worker: Worker, task: Task | None, reason: str) -> None:
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
        evidence = [
            Evidence.text(name, visible(text), f"{name.replace(' ', '-')}.txt")
            for name, text in (("output of the worker", output), ("stacks", stacks))
            if text
        ]
        record = replace(
            started,
            status="failed" if limit else "broken",
            error=message,
            trace=visible(stacks or output),
            timed_out=bool(limit),
            output=output,
            duration=round(time.time() - started.start, 4),
            checks=tuple(task.checks.values()),
            attachments=store_attachments(self._reports.results, evidence),
        )
        self._stream.write(record.to_line())
        self._print_outcome(record)
        scenario = task.scenarios[started.location]
        write_evidence(
            [failure_evidence(message, record.trace), *evidence],
            self._reports.folder,
            scenario.filename,
            scenario.line,
        )

    def _record_run_error(self, worker: Worker, failure: RunError, file: str) -> None:
        record = run_error_record(failure, self._config, file, worker.worker_id)
        self._stream.write(record.to_line())
        self._print_outcome(record)

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


def report_not_run(
    scenarios: Sequence[tuple[BehaveScenario, str]], config: BehaveConfig, reports: RunReports
) -> None:
    """Record the scenarios that did not run, with the reason, as skipped."""
    config.userdata["worker"] = "main"
    with reports.open_records("a") as stream:
        for scenario, reason in scenarios:
            message = visible(f"not run: {reason}")
            record = record_of(scenario, config, status="skipped", reason=message, start=time.time())
            stream.write(record.to_line())
