"""Allure results, made of the records of a run: scenarios, their steps, their checks, what failed outside.

Layout of the files: https://allurereport.org/docs/how-it-works-test-result-file/
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

from support.reporting.behave_events import capability_title, warn_incomplete
from support.reporting.check_text import failure_text, reason_text
from support.results.check import CheckResult
from support.results.outcome import Evidence
from support.results.record import Attachment, Record
from support.results.redaction import redact_data, redact_tree
from support.results.safe_text import one_line, visible
from support.units import JsonObject

# Their folder, in that of the reports.
RESULTS = "allure-results"
KNOWN_ISSUE_TAG = "known-issue"
SEVERITIES = ("blocker", "critical", "normal", "minor", "trivial")
# The extension decides which viewer Allure 3 opens.
EXTENSIONS = {
    "text/plain": "txt",
    "text/csv": "csv",
    "text/html": "html",
    "image/svg+xml": "svg",
    "application/vnd.allure.http+json": "httpexchange",
}
# Of records and checks. A known issue is no failure, and Allure has no status of its own for it.
_STATUSES = {"passed": "passed", "failed": "failed", "broken": "broken"}
# Of behave's steps; the others are broken.
_STEP_STATUSES = {"passed": "passed", "failed": "failed", "skipped": "skipped", "untested": "skipped"}


def store_attachments(folder: Path, pieces: Iterable[Evidence]) -> tuple[Attachment, ...]:
    """Write each into the folder of the results, without secrets; one that cannot be written is left out."""
    stored = []
    for piece in pieces:
        source = f"{uuid4()}-attachment.{EXTENSIONS.get(piece.media_type, 'bin')}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / source).write_bytes(redact_data(piece.data))
        except OSError as error:
            warn_incomplete("evidence", error)
        else:
            stored.append(Attachment(visible(piece.name), piece.media_type, source))
    return tuple(stored)


def attach_to_run(folder: Path, pieces: Iterable[Evidence]) -> None:
    """Show them on the page of the run: Allure's Global Attachments."""
    attached = [vars(piece) | {"timestamp": _now()} for piece in store_attachments(folder, pieces)]
    if attached:
        _write(folder, "globals", {"attachments": attached})


def write_results(folder: Path, records: Sequence[Record]) -> None:
    """A result for each record and for each of its checks, and the measured figures."""
    for record in records:
        scenario = _scenario(record)
        _write(folder, "result", scenario)
        for check in record.checks:
            repeat: Sequence[Attachment] = ()
            if check.repeat and check.status in ("failed", "known_issue"):
                repeat = store_attachments(folder, [Evidence.text("curl", f"{check.repeat}\n")])
            _write(folder, "result", _check(check, record, scenario, repeat))
    samples = [sample for record in records for sample in _samples(record)]
    if samples:
        # Allure 3's metrics page. Its titles and units are made of these (support/reporting/html.py).
        _write(folder, "perf", samples)


def _scenario(record: Record) -> JsonObject:
    capability = capability_title(record.capability)
    # The checks stand beside their scenario, in a folder of its title.
    story = record.name if record.checks else record.rule
    placed = [capability, record.feature, record.rule, record.name if record.checks else ""]
    # Allure 3 ignores `historyId` and derives its own from `testCaseId` and the parameters.
    case = _md5(record.feature, record.name, record.target)
    severity = next((tag for tag in record.tags if tag in SEVERITIES), "normal")
    labels = {
        "epic": capability,
        "feature": record.feature,
        "story": story,
        "parentSuite": capability,
        "suite": record.feature,
        "subSuite": story,
        "severity": severity,
        "target": record.target,
        # Where the timeline draws it. No host name: a report is shown to others.
        "host": "local",
        "thread": record.worker,
    }
    tags = [tag for tag in record.tags if tag != severity]
    known = record.status == "known_issue"
    message = visible(record.error or record.reason)
    links = []
    if known:
        tags.append(KNOWN_ISSUE_TAG)
        message = f"known issue: {visible(record.reason)}\n\n{visible(record.error)}".rstrip()
        if record.source.startswith(("http://", "https://")):
            title = one_line(record.reason, 80) or record.source
            links.append({"type": "issue", "url": record.source, "name": title})
        elif record.source:
            message += f"\n\nsource: {visible(record.source)}"
    return {
        "uuid": str(uuid4()),
        "name": record.name,
        "fullName": f"{record.feature}: {record.name}",
        "testCaseId": case,
        "historyId": _md5(case, *(f"{name}={value}" for name, value in record.row)),
        "titlePath": [part for part in placed if part],
        "status": _STATUSES.get(record.status, "skipped"),
        "statusDetails": _details(message, known=known, trace=visible(record.trace)),
        "start": int(record.start * 1000),
        "stop": int((record.start + record.duration) * 1000),
        "labels": [
            *({"name": name, "value": value} for name, value in labels.items() if value),
            *({"name": "tag", "value": tag} for tag in tags),
        ],
        "links": links,
        "parameters": [{"name": name, "value": value} for name, value in record.row],
        "steps": list(_steps(record)),
        "attachments": [vars(attachment) for attachment in record.attachments],
    }


def _steps(record: Record) -> Iterator[JsonObject]:
    """One after the other: only their durations are known."""
    start = record.start
    for step in record.steps:
        yield {
            "name": f"{step.keyword} {step.name}",
            "status": _STEP_STATUSES.get(step.status, "broken"),
            "statusDetails": _details(step.error),
            "start": int(start * 1000),
            "stop": int((start + step.duration) * 1000),
            "attachments": [vars(attachment) for attachment in step.attachments],
        }
        start += step.duration


def _check(
    check: CheckResult, record: Record, scenario: JsonObject, repeat: Sequence[Attachment]
) -> JsonObject:
    """The result of a check: at the place of its scenario, with its severity and tags."""
    known = check.status == "known_issue"
    message = "" if check.status == "passed" else reason_text(check)
    if check.status == "failed":
        message = failure_text(check)
    elif known:
        message = f"{message}\n\n{failure_text(check)}"
    labels = [label for label in scenario["labels"] if label["value"] != KNOWN_ISSUE_TAG]
    labels.append({"name": "level", "value": check.level})
    if known:
        labels.append({"name": "tag", "value": KNOWN_ISSUE_TAG})
    case = _md5(check.id, record.target)
    start = int((check.start or record.start) * 1000)
    return {
        "uuid": str(uuid4()),
        "name": check.title,
        "fullName": check.id,
        "testCaseId": case,
        "historyId": case,
        "titlePath": scenario["titlePath"],
        "status": _STATUSES.get(check.status, "skipped"),
        "statusDetails": _details(message, known=known),
        "start": start,
        "stop": start + int(check.duration * 1000),
        "labels": labels,
        "attachments": [vars(attachment) for attachment in repeat],
    }


def _details(message: str, *, known: bool = False, trace: str = "") -> JsonObject:
    details = {"known": known, "message": message, "trace": trace}
    return {name: value for name, value in details.items() if value}


def _samples(record: Record) -> Iterator[JsonObject]:
    for measure in record.measures:
        if not math.isfinite(measure.value):
            warn_incomplete(f"measure {measure.key}", ValueError(f"{measure.value} cannot be drawn"))
            continue
        yield {
            "id": str(uuid4()),
            "start": int(record.start * 1000),
            "stop": int((record.start + record.duration) * 1000),
            **vars(measure),
        }


def _write(folder: Path, kind: str, document: object) -> None:
    """As ASCII, so that a lone surrogate in a text is no error."""
    (folder / f"{uuid4()}-{kind}.json").write_text(json.dumps(redact_tree(document)), encoding="ascii")


def _md5(*parts: str) -> str:
    """Not for security: it identifies a test from run to run."""
    text = "".join(parts).encode(errors="backslashreplace")
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


def _now() -> int:
    return int(time.time() * 1000)
