"""Collects the results of the workers: their records in one file, and the reports of their crashes.

A single worker prints its progress to the terminal itself. With several, one line for each outcome is printed
here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from behave.formatter.base import StreamOpener

from support.reporting.allure_formatter import AcceptanceAllure
from support.reporting.behave_events import FinishedScenario, RunError
from support.reporting.console import OutcomePrinter, scenario_line
from support.reporting.evidence import failure_evidence, write_evidence
from support.reporting.recorder import record_of, run_error_record
from support.reporting.report_writer import RunReports
from support.results.behave_types import BehaveConfig, BehaveScenario
from support.results.outcome import Evidence, Verdict
from support.results.record import Record
from support.results.safe_text import counted, one_line, seconds, visible
from support.results.verdicts import interrupted
from support.runner.scheduler import Task
from support.runner.worker_pool import Worker


@dataclass(eq=False)
class ResultCollector:
    """Writes the records of all workers to one file; with `show_outcomes`, prints a line for each."""

    config: BehaveConfig
    reports: RunReports
    show_outcomes: bool
    _printer: OutcomePrinter = field(default_factory=OutcomePrinter, init=False)

    def scenario_started(self, record: Record) -> None:
        """Its record states that the process ended; that of `scenario_finished` replaces it."""
        self.reports.records.write(record)

    def scenario_finished(self, record: Record) -> None:
        """A scenario has ended, or something failed outside all scenarios."""
        self.scenario_started(record)
        if self.show_outcomes:
            self._print_outcome(record)

    def run_error(self, worker: Worker, failure: RunError) -> None:
        """Something failed outside all scenarios: a worker could not start, a server no longer answers."""
        self.config.userdata["worker"] = worker.worker_id
        record = run_error_record(failure, self.config)
        self.scenario_started(record)
        self._print_outcome(record)
        self._allure.run_error(failure)

    def worker_crashed(self, worker: Worker, task: Task | None, reason: str) -> None:
        """A worker ended without its last message. `task.running` is the scenario that it ran, if any."""
        output, stacks = visible(worker.last_output()), visible(worker.hang_traceback())
        limit = one_line(stacks, 400)
        if task is None or task.running is None:
            feature = next(iter(task.scenarios.values())).feature.name if task is not None else ""
            location = f"{task.file}:1" if task is not None else "environment.py:1"
            message = limit or f"the worker process ended ({reason}) while no scenario ran"
            name = f"worker {worker.worker_id}"
            self.run_error(worker, RunError(name, feature, location, message, stacks or output))
            return
        verdict = Verdict("broken", f"the worker process ended ({reason}) while this scenario ran", output)
        if limit:
            verdict = Verdict("failed", f"{limit}; the worker was killed", stacks, timed_out=True)
        pieces = {"output of the worker": output, "stacks": stacks}
        evidence = tuple(
            Evidence.text(name, text, f"{name.replace(' ', '-')}.txt")
            for name, text in pieces.items()
            if text
        )
        finished = FinishedScenario(
            task.scenarios[task.running.location],
            verdict,
            task.running.start,
            time.time() - task.running.start,
            evidence,
            checks=tuple(task.checks.values()),
        )
        self.config.userdata["worker"] = worker.worker_id
        self._report_crash(finished, task.running, output)

    def worker_interrupted(self, task: Task | None, why: str) -> None:
        """A worker has ended after a signal, without the result of its scenario. `why`: which signal."""
        if task is None or task.running is None:
            return
        verdict, seconds_run = interrupted(why), time.time() - task.running.start
        self.scenario_finished(
            replace(
                task.running, status=verdict.status, error="", reason=verdict.message, duration=seconds_run
            )
        )
        scenario = task.scenarios[task.running.location]
        self._allure.add(FinishedScenario(scenario, verdict, task.running.start, seconds_run))

    def _report_crash(self, finished: FinishedScenario, started: Record, output: str) -> None:
        """`started` is the record of its begin."""
        verdict = finished.verdict
        record = replace(
            started,
            status=verdict.status,
            error=verdict.message,
            trace=verdict.trace,
            timed_out=verdict.timed_out,
            output=output,
            duration=round(finished.duration, 4),
            checks=finished.checks,
        )
        self.scenario_started(record)
        self._print_outcome(record)
        failure = failure_evidence(verdict.message, verdict.trace)
        write_evidence([failure, *finished.evidence], self.reports.folder, record.name)
        self._allure.add(finished)

    def _print_outcome(self, record: Record) -> None:
        known = record.status == "known_issue"
        verdict = Verdict(
            record.status,
            record.error or record.reason,
            record.trace,
            record.reason if known else "",
            record.source,
            cause=record.cause,
        )
        line = scenario_line(record.capability, record.name)
        self._printer.print_outcome(verdict, f"{seconds(record.duration):>6}  {line}")

    @cached_property
    def _allure(self) -> AcceptanceAllure:
        """Made for the first crash: most runs have none."""
        return AcceptanceAllure(StreamOpener(str(self.reports.results)), self.config)


def report_not_run(
    scenarios: Sequence[tuple[BehaveScenario, str]],
    config: BehaveConfig,
    reports: RunReports,
    *,
    signalled: str | None = None,
) -> None:
    """Report the scenarios that did not run, with the reason, as skipped.

    After a signal (`signalled`: which) Allure's results have one for all of them: there is no page then, and
    hundreds take seconds on a busy machine.
    """
    if not scenarios:
        return
    moment = time.time()
    config.userdata["worker"] = "main"
    allure = AcceptanceAllure(StreamOpener(str(reports.results)), config)
    for scenario, reason in scenarios:
        message = visible(f"not run: {reason}")
        reports.records.write(record_of(scenario, config, status="skipped", reason=message, start=moment))
        if signalled is None:
            allure.add(FinishedScenario(scenario, Verdict("skipped", message), moment, 0.0))
    if signalled is not None:
        number = counted(len(scenarios), "scenario")
        allure.run_error(
            RunError("interrupted run", "", "environment.py:1", f"{number} not run: {signalled}")
        )
