"""The behave formatter that writes result records: `-f records -o reports/records.jsonl`."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from behave.formatter.base import Formatter

from support.reporting.behave_events import (
    RunError,
    ScenarioResult,
    add_listener,
    capability_of,
    location_of,
    never_raise,
    setting,
)
from support.results.behave_types import BehaveConfig, BehaveScenario
from support.results.check import CheckResult
from support.results.outcome import MatrixCell
from support.results.record import Record, StepRecord
from support.results.redaction import redact
from support.results.safe_text import visible

MAX_OUTPUT_CHARACTERS = 20_000


class Recorder(Formatter):  # type: ignore[misc]
    """One JSON line when a scenario begins and one when it ends, each flushed: a killed run is not lost."""

    name = "records"
    description = "One JSON record per scenario, for the reports"

    def __init__(self, stream_opener: object, config: BehaveConfig) -> None:
        """Raises OSError when the file cannot be opened: better than a run without a record."""
        super().__init__(stream_opener, config)
        self.stream = self.open()
        add_listener(config, self)

    def run_started(self, scenarios: int) -> None:  # noqa: ARG002 - of the interface
        return

    @never_raise
    def scenario_started(self, scenario: BehaveScenario) -> None:
        unfinished = "the process ended while this scenario ran"
        self._write(record_of(scenario, self.config, status="broken", start=time.time(), error=unfinished))

    @never_raise
    def scenario_finished(self, result: ScenarioResult) -> None:
        verdict, scenario = result.verdict, result.scenario
        failed = verdict.status in ("failed", "broken", "known_issue")
        self._write(
            record_of(
                scenario,
                self.config,
                status=verdict.status,
                start=result.start,
                duration=round(result.duration, 4),
                steps=tuple(
                    StepRecord(step.keyword, redact(step.name), step.status.name, round(step.duration, 4))
                    for step in scenario.all_steps
                ),
                output=visible(str(scenario.captured.output or ""))[-MAX_OUTPUT_CHARACTERS:],
                error=visible(verdict.message or "it failed without a message") if failed else "",
                trace=visible(verdict.trace) if failed else "",
                reason=visible(
                    verdict.why if verdict.status == "known_issue" else "" if failed else verdict.message
                ),
                source=visible(verdict.source),
                measures=tuple(replace(measure, title=redact(measure.title)) for measure in result.measures),
                checks=tuple(safe_check(check) for check in result.checks),
                timed_out=verdict.timed_out,
            )
        )

    @never_raise
    def run_error(self, error: RunError) -> None:
        file = error.location.rsplit(":", 1)[0]
        self._write(run_error_record(error, self.config, file, setting(self.config, "worker", "main")))

    def _write(self, record: Record) -> None:
        self.stream.write(record.to_line())
        self.stream.flush()


def safe_cell(cell: MatrixCell) -> MatrixCell:
    """The cell without secrets and control characters."""
    return replace(
        cell,
        server=visible(cell.server),
        reason=visible(cell.reason),
        source=visible(cell.source),
        repeat=visible(cell.repeat),
        incident=visible(cell.incident),
    )


def safe_check(check: CheckResult) -> CheckResult:
    """The check without secrets and control characters."""
    return replace(
        check,
        title=visible(check.title),
        expected=visible(check.expected),
        actual=visible(check.actual),
        source=visible(check.source),
        repeat=visible(check.repeat),
        reason=visible(check.reason),
        reason_source=visible(check.reason_source),
        cells=tuple(map(safe_cell, check.cells)),
    )


def run_error_record(failure: RunError, config: BehaveConfig, file: str, worker: str) -> Record:
    """A record of what failed outside all scenarios; `file` is the feature that it happened in, if any."""
    return Record(
        name=failure.name,
        feature=failure.feature or "Harness",
        location=failure.location,
        capability=capability_of(file) if failure.feature else "harness",
        status="broken",
        start=time.time(),
        error=visible(failure.message),
        trace=visible(failure.trace),
        worker=worker,
        target=setting(config, "target_label"),
    )


def record_of(scenario: BehaveScenario, config: BehaveConfig, **fields: Any) -> Record:
    """A record of behave's scenario; `fields` are those that tell how it ended."""
    return Record(
        name=redact(scenario.name or scenario.keyword),
        feature=scenario.feature.name,
        location=location_of(scenario),
        capability=capability_of(str(scenario.filename)),
        tags=tuple(sorted(str(tag) for tag in scenario.effective_tags)),
        worker=setting(config, "worker", "main"),
        target=setting(config, "target_label"),
        **fields,
    )
