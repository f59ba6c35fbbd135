"""`acceptance run --jobs N`: one run, one report, several workers."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from behave.formatter.base import StreamOpener

from support.errors import (
    EXIT_FAILED,
    EXIT_HARNESS,
    EXIT_INTERRUPTED,
    EXIT_NOTHING_SELECTED,
    EXIT_PASSED,
    EXIT_TERMINATED,
)
from support.reporting.allure_adapter import AcceptanceAllure
from support.reporting.evidence import failure, keep
from support.reporting.lines import OutcomeLines, scenario_line
from support.reporting.observing import Ended, OutsideFailure, capability_of, location_of
from support.reporting.records import Record, read_records
from support.reporting.run_reports import RunReports
from support.reporting.text import seconds, visible
from support.reporting.verdict import Evidence, Verdict
from support.running.guard import GuardedRunner
from support.running.interrupts import uninterrupted
from support.running.master import Master, Worker
from support.running.schedule import Task
from support.running.sweep import owned_prefix
from support.running.worker import target_to
from support.target.discovery import CommandTarget, discover


class MasterRunner(GuardedRunner):
    """Selects as the plain runner does, and has others run it."""

    def __init__(self, config: Any, words: Sequence[str], jobs: int) -> None:
        super().__init__(config)
        self._words = words
        self._jobs = jobs
        self._folder: Path | None = None

    def _run(self) -> int:
        in_force = self._settings()
        with self.path_manager:
            self.setup_paths()
            self.selected()
            target = discover(in_force.settings)
            tasks = self._tasks()
        jobs = min(self._jobs, len(tasks))
        if in_force.settings.test_port is not None and isinstance(target, CommandTarget):
            print(f"acceptance: one worker, since test_port is one port: {in_force.settings.test_port}")
            jobs = 1
        reports = RunReports(in_force, target)
        reports.prepare()
        reports.say_first()
        self.config.userdata["target_label"] = target.label
        started = time.time()
        try:
            with uninterrupted():
                # Its name is that of a run's folder: what a killed run leaves is found by the next one.
                folder = self._folder = Path(tempfile.mkdtemp(prefix=owned_prefix()))
            greeting = target_to(target)
            with reports.records.open("w", encoding="ascii") as stream:
                teller = _Teller(self.config, reports, stream)
                master = Master(
                    tasks,
                    teller,
                    start=lambda lane: Worker(lane, self._words, folder, greeting),
                    signalled=lambda: self.signalled,
                    stop_at_failure=bool(self.config.stop),
                )
                # A signal is passed on by the master; here it only says that the run is over.
                with suppress(KeyboardInterrupt), uninterrupted():
                    master.run(jobs)
            code = self._code(tasks, reports, master.codes)
            return reports.finish(
                code, suite=str(self.config.userdata.get("suite", "acceptance")), started=started
            )
        finally:
            self._remove_folder()

    def _tasks(self) -> list[Task]:
        tasks = []
        for feature in self.features:
            scenarios = {
                location_of(scenario): scenario
                for scenario in feature.walk_scenarios()
                if scenario.should_run(self.config)
            }
            if scenarios:
                tasks.append(Task.of(str(feature.filename), scenarios))
        return tasks

    def _code(self, tasks: list[Task], reports: RunReports, codes: set[int]) -> int:
        if self.signalled is not None:
            return EXIT_TERMINATED if self.signalled == EXIT_TERMINATED - 128 else EXIT_INTERRUPTED
        selected = {location for task in tasks for location in task.scenarios}
        records = read_records(reports.records)
        if any(record.gates and record.location in selected for record in records):
            return EXIT_FAILED
        if EXIT_HARNESS in codes or any(record.gates for record in records):
            return EXIT_HARNESS
        if all(record.status == "skipped" for record in records):
            print("acceptance: every selected scenario was skipped: nothing was checked", file=sys.stderr)
            return EXIT_NOTHING_SELECTED
        return EXIT_PASSED

    def _remove_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class _Teller:
    """Writes the records of all workers into one file, and a line for each on the terminal."""

    def __init__(self, config: Any, reports: RunReports, stream: TextIO) -> None:
        self._config = config
        self._results = reports.results
        self._stream = stream
        self._lines = OutcomeLines()
        self._allure: AcceptanceAllure | None = None

    def begins(self, record: Record) -> None:
        self._stream.write(record.to_line())
        self._stream.flush()

    def ends(self, record: Record) -> None:
        self.begins(record)
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

    def died(self, worker: Worker, task: Task | None, how: str) -> None:
        said = visible(worker.said())
        begun = task.current if task is not None else None
        if task is None or begun is None:
            self._died_outside(worker, task, how, said)
            return
        message = f"the worker process ended ({how}) while this scenario ran"
        duration = time.time() - begun.start
        self.ends(replace(begun, error=message, trace=said, output=said, duration=round(duration, 4)))
        evidence = (Evidence.text("output of the worker", said, "worker.txt"),) if said else ()
        pieces = [failure(message, ""), *evidence]
        keep(pieces, self._results.parent, str(task.scenarios[begun.location].filename), _line_of(begun))
        verdict = Verdict("broken", message, said)
        scenario = task.scenarios[begun.location]
        self._reporter(worker.lane).add(Ended(scenario, verdict, evidence, (), begun.start, duration))

    def _died_outside(self, worker: Worker, task: Task | None, how: str, said: str) -> None:
        feature = next(iter(task.scenarios.values())).feature.name if task is not None else ""
        location = f"{task.file}:1" if task is not None else "environment.py:1"
        message = f"the worker process ended ({how}) while no scenario ran"
        record = Record(
            name=f"worker {worker.lane}",
            feature=feature or "Harness",
            location=location,
            capability=capability_of(task.file) if task is not None else "harness",
            status="broken",
            start=time.time(),
            error=message,
            trace=said,
            worker=worker.lane,
            target=str(self._config.userdata["target_label"]),
        )
        self.ends(record)
        self._reporter(worker.lane).report(OutsideFailure(record.name, feature, location, message, said))

    def _reporter(self, lane: str) -> AcceptanceAllure:
        self._config.userdata |= {"allure_keep": "true", "worker": lane}
        if self._allure is None:
            self._allure = AcceptanceAllure(StreamOpener(str(self._results)), self._config)
        return self._allure


def _line_of(record: Record) -> int:
    return int(record.location.rpartition(":")[2])
