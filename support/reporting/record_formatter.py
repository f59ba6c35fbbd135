"""The behave formatter that writes result records: `-f records -o reports/records.jsonl`."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from behave.formatter.base import Formatter

from support.reporting.behave_events import (
    Ended,
    Outside,
    OutsideFailure,
    capability_of,
    harmless,
    location_of,
    setting,
    watch,
)
from support.results.record import Record, StepRecord
from support.results.redaction import redact
from support.results.safe_text import visible

MOST_OUTPUT = 20_000


class Recorder(Formatter):  # type: ignore[misc]
    """One JSON line when a scenario begins and one when it ends, each flushed: a killed run is not lost."""

    name = "records"
    description = "One JSON record per scenario, for the reports"

    def __init__(self, stream_opener: Any, config: Any) -> None:
        """Raises OSError when the file cannot be opened: better than a run without a record."""
        super().__init__(stream_opener, config)
        self.stream = self.open()
        self._outside = Outside(self.report)

    @harmless
    def feature(self, feature: Any) -> None:
        self._outside.begin(feature)
        watch(feature, self.config, self._begins, self._ends)

    @harmless
    def eof(self) -> None:
        self._outside.end()

    @harmless
    def close(self) -> None:
        self._outside.end()
        super().close()

    @harmless
    def _begins(self, scenario: Any) -> None:
        unfinished = "the process ended while this scenario ran"
        self._write(record_of(scenario, self.config, status="broken", start=time.time(), error=unfinished))

    @harmless
    def _ends(self, ended: Ended) -> None:
        verdict, scenario = ended.verdict, ended.scenario
        failed = verdict.status in ("failed", "broken", "known_issue")
        self._write(
            record_of(
                scenario,
                self.config,
                status=verdict.status,
                start=ended.start,
                duration=round(ended.duration, 4),
                steps=tuple(
                    StepRecord(step.keyword, redact(step.name), step.status.name, round(step.duration, 4))
                    for step in scenario.all_steps
                ),
                output=visible(str(scenario.captured.output or ""))[-MOST_OUTPUT:],
                error=visible(verdict.message or "it failed without a message") if failed else "",
                trace=visible(verdict.trace) if failed else "",
                reason=visible(
                    verdict.why if verdict.status == "known_issue" else "" if failed else verdict.message
                ),
                source=visible(verdict.source),
                measures=tuple(replace(measure, title=redact(measure.title)) for measure in ended.measures),
                cells=tuple(
                    replace(cell, server=visible(cell.server), reason=visible(cell.reason))
                    for cell in ended.cells
                ),
            )
        )

    @harmless
    def report(self, failure: OutsideFailure) -> None:
        file = failure.location.rsplit(":", 1)[0]
        self._write(record_outside(failure, self.config, file, setting(self.config, "worker", "main")))

    def _write(self, record: Record) -> None:
        self.stream.write(record.to_line())
        self.stream.flush()


def record_outside(failure: OutsideFailure, config: Any, file: str, worker: str) -> Record:
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


def record_of(scenario: Any, config: Any, **fields: Any) -> Record:
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
