"""`report.json`: the run, its scenarios and their checks, for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from support.reporting.files import write_atomically
from support.reporting.run_verdict import RunVerdict
from support.reporting.summary import check_counts, counts
from support.results.check import CheckResult, CheckStatus
from support.results.decision import severity_of_check
from support.results.outcome import PLAIN_STATUS, Status
from support.results.record import Record
from support.units import JsonMapping, JsonObject


def build_report(
    records: Sequence[Record],
    verdict: RunVerdict,
    *,
    suite: str,
    environment: JsonMapping,
    started: float,
    duration: float,
) -> JsonObject:
    """The report as a document; `tests` has a row per scenario, followed by a row per check of its group.

    `started` in epoch seconds and `duration` in seconds are the run's. `environment` (settings, target,
    versions) must be redacted already. A row's `kind` is scenario or check, its `status` passed, failed,
    known_issue or skipped; its `verdict` distinguishes broken, unsupported and not_run as well. What is
    accepted is failed, with `accepted`: by whom, until when and why. `summary` counts scenarios (`skipped`
    includes `known_issues`, `failed` includes `accepted`), `checks` counts checks. `decision`, `blockers`
    and `not_run` are those of `verdict`.
    """
    moment = datetime.fromtimestamp(started, UTC)
    return {
        "suite": suite,
        "timestamp": moment.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "duration": round(duration, 3),
        **verdict.to_json(),
        "summary": counts(records),
        "checks": check_counts(records),
        "environment": dict(environment),
        "tests": [row for record in records for row in rows_of(record)],
    }


def write_report(file: Path, report: JsonMapping) -> Path:
    """Write it whole or not at all."""
    return write_atomically(file, (json.dumps(report, indent=2, default=str) + "\n").encode())


def rows_of(record: Record) -> Iterator[JsonObject]:
    """A scenario and its checks, as they stand in `tests`."""
    yield _scenario(record)
    for check in record.checks:
        yield _check(record, check)


def _status(status: Status | CheckStatus) -> str:
    return status if status == "known_issue" else PLAIN_STATUS[status]


def _verdict(status: Status | CheckStatus) -> str:
    return "failed" if status == "accepted" else status


def _scenario(record: Record) -> JsonObject:
    failed = record.status in ("failed", "broken", "known_issue", "accepted")
    outcome = (
        {"error": record.error or "it failed without a message"} if failed else {"output": record.output}
    )
    accepted = record.status == "accepted"
    optional = {
        "accepted" if accepted else "reason": record.reason,
        "source": record.source,
        "known_in": record.known_in,
        "timed_out": record.timed_out,
        "measures": [asdict(measure) for measure in record.measures],
    }
    return {
        "kind": "scenario",
        "name": record.name,
        "status": _status(record.status),
        "duration": round(record.duration, 3),
        "verdict": _verdict(record.status),
        "severity": record.severity,
        **_place(record),
        **outcome,
        **{name: value for name, value in optional.items() if value},
    }


def _check(record: Record, check: CheckResult) -> JsonObject:
    """All fields of the check but its start, and no empty reason or list of cells."""
    failed = check.status in ("failed", "known_issue", "accepted")
    optional = ("reason", "reason_source", "known_in", "cells")
    fields = asdict(check)
    del fields["start"]
    if check.status == "accepted":
        fields["accepted"] = fields.pop("reason")
    return {
        "kind": "check",
        "name": check.id,
        **{name: value for name, value in fields.items() if value or name not in optional},
        "status": _status(check.status),
        "duration": round(check.duration, 4),
        "verdict": _verdict(check.status),
        "severity": severity_of_check(record, check),
        "scenario": record.name,
        **_place(record),
        **({"error": check.actual or "the check failed without a message"} if failed else {"output": ""}),
    }


def _place(record: Record) -> JsonObject:
    return {
        "feature": record.feature,
        "capability": record.capability,
        "location": record.location,
        "tags": list(record.tags),
    }
