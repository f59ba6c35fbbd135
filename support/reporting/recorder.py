"""Writes the records of scenarios."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from support.reporting.behave_events import (
    FinishedScenario,
    RunError,
    RunListener,
    capability_of,
    location_of,
    setting,
)
from support.results.behave_types import BehaveConfig, BehaveScenario
from support.results.check import CheckResult
from support.results.outcome import MatrixCell, Measurement
from support.results.record import Record, StepRecord
from support.results.redaction import redact
from support.results.safe_text import visible

T = TypeVar("T", CheckResult, MatrixCell, Measurement)
MAX_OUTPUT_CHARACTERS = 20_000


class Recorder(RunListener):
    """One record when a scenario begins and one when it ends: a killed run is not lost."""

    def __init__(self, write: Callable[[Record], object], config: BehaveConfig) -> None:
        self._write = write
        self._config = config

    def scenario_started(self, scenario: BehaveScenario) -> None:
        unfinished = "the process ended while this scenario ran"
        self._write(record_of(scenario, self._config, status="broken", start=time.time(), error=unfinished))

    def scenario_finished(self, finished: FinishedScenario) -> None:
        verdict, scenario = finished.verdict, finished.scenario
        failed = verdict.status in ("failed", "broken", "known_issue")
        self._write(
            record_of(
                scenario,
                self._config,
                status=verdict.status,
                start=finished.start,
                duration=round(finished.duration, 4),
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
                measures=tuple(map(_safe, finished.measures)),
                checks=tuple(map(safe_check, finished.checks)),
                timed_out=verdict.timed_out,
                cause=visible(verdict.cause),
                known_in=visible(verdict.known_in),
                by_checks=verdict.by_checks,
            )
        )

    def run_error(self, error: RunError) -> None:
        self._write(run_error_record(error, self._config))


def safe_check(check: CheckResult) -> CheckResult:
    """The check without secrets and control characters."""
    return replace(_safe(check), cells=tuple(map(_safe, check.cells)))


def _safe(item: T) -> T:
    texts: dict[str, Any] = {
        name: visible(value) for name, value in vars(item).items() if isinstance(value, str)
    }
    return replace(item, **texts)


def run_error_record(failure: RunError, config: BehaveConfig) -> Record:
    """A record of what failed outside all scenarios."""
    return Record(
        name=failure.name,
        feature=failure.feature or "Harness",
        location=failure.location,
        capability=capability_of(failure.location) if failure.feature else "harness",
        tags=failure.tags,
        status=failure.status,
        start=time.time(),
        error=visible(failure.message),
        trace=visible(failure.trace),
        cause=visible(failure.cause),
        worker=setting(config, "worker", "main"),
        target=setting(config, "target_label"),
    )


def record_of(scenario: BehaveScenario, config: BehaveConfig, **fields: Any) -> Record:
    """A record of behave's scenario; `fields` are those of its outcome."""
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
