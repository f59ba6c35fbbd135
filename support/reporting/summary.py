"""What a run comes to, made of result records: `report.json`, the closing text of the terminal, budgets."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from support.reporting.behave_events import capability_title
from support.results.record import Record
from support.results.safe_text import as_markdown, one_line, seconds, visible

Budgets = Mapping[str, tuple[float, float]]
"""Capability -> (target, maximum), in seconds."""

SLOWEST = 3
SLOW = "slow"
_PLAIN_STATUS = {
    "passed": "passed",
    "failed": "failed",
    "broken": "failed",
    "skipped": "skipped",
    "known_issue": "skipped",
}


def counts(records: Sequence[Record]) -> dict[str, int]:
    """total = passed + failed + skipped; `broken` counts as failed, a known issue as skipped and alone."""
    plain = Counter(_PLAIN_STATUS[record.status] for record in records)
    return {
        "total": len(records),
        "passed": plain["passed"],
        "failed": plain["failed"],
        "skipped": plain["skipped"],
        "known_issues": sum(record.status == "known_issue" for record in records),
    }


def counts_text(records: Sequence[Record]) -> str:
    """`424 passed, 1 failed, 26 skipped, 66 known issues`; without the last two where there are none."""
    count = counts(records)
    left_out = count["skipped"] - count["known_issues"]
    known = count["known_issues"]
    parts = [f"{count['passed']} passed", f"{count['failed']} failed"]
    parts += [f"{left_out} skipped"] if left_out else []
    parts += [f"{known} known issue{'s' if known > 1 else ''}"] if known else []
    return ", ".join(parts)


def build_report(
    records: Sequence[Record],
    *,
    suite: str,
    environment: Mapping[str, Any],
    started: float | None = None,
    duration: float | None = None,
) -> dict[str, Any]:
    """The report in the form that the issue "First green run" asks for.

    `started` in epoch seconds and `duration` in seconds are the run's; without them those of the records
    count. `environment` (settings, target, versions) must be redacted already. A test's `status` is passed,
    failed or skipped; its `verdict` tells broken and known_issue apart.
    """
    begun = min((record.start for record in records), default=0.0)
    ended = max((record.start + record.duration for record in records), default=0.0)
    moment = datetime.fromtimestamp(begun if started is None else started, UTC)
    return {
        "suite": suite,
        "timestamp": moment.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "duration": round(ended - begun if duration is None else duration, 3),
        "summary": counts(records),
        "environment": dict(environment),
        "tests": [_test(record) for record in records],
    }


def write_report(file: Path, report: Mapping[str, Any]) -> Path:
    """Write it whole or not at all."""
    return write_atomically(file, (json.dumps(report, indent=2, default=str) + "\n").encode())


def write_atomically(file: Path, data: bytes) -> Path:
    """A reader sees the old file or the new one, never a part."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        # mkstemp makes a file that only its owner can read; a report is for others.
        Path(name).chmod(0o644)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return file


def capability_seconds(records: Sequence[Record]) -> dict[str, float]:
    """The time of each capability's scenarios, added up: parallel workers do not shorten it.

    The time of the servers that are only compared is not counted: they never make a run red.
    Nor are scenarios that somebody asked for although they are slow: they have budgets of their own.
    """
    times: dict[str, float] = defaultdict(float)
    for record in records:
        if SLOW in record.tags:
            continue
        compared = sum(cell.seconds for cell in record.cells if not cell.under_test)
        times[record.capability] += max(0.0, record.duration - compared)
    return dict(times)


def over_maximum(records: Sequence[Record], budgets: Budgets) -> list[str]:
    """The capabilities that took longer than their maximum; each makes the run red."""
    times = capability_seconds(records)
    return [name for name, (_, maximum) in budgets.items() if times.get(name, 0.0) > maximum]


def budget_lines(records: Sequence[Record], budgets: Budgets) -> list[str]:
    """One line per capability that ran: its time, its budget, and whether it kept it."""
    lines = []
    for name, spent in capability_seconds(records).items():
        title = capability_title(name)
        if name not in budgets:
            lines.append(f"{title:<16} {seconds(spent):>7}")
            continue
        target, maximum = budgets[name]
        verdict = "ok"
        if spent > maximum:
            verdict = "OVER THE MAXIMUM"
        elif spent > target:
            verdict = "over the target"
        lines.append(
            f"{title:<16} {seconds(spent):>7}  target {target:g} s, maximum {maximum:g} s: {verdict}"
        )
    return lines


def closing_text(
    records: Sequence[Record],
    *,
    reports: Mapping[str, Path],
    duration: float,
    budgets: Budgets | None = None,
    passed: bool | None = None,
) -> str:
    """What the terminal shows last; its last block are the verdict, the counts and the paths.

    `passed` overrules the verdict of the records, for a run that is red for another reason. A run without a
    record, or with nothing but skips, has not passed.
    """
    count = counts(records)
    green = _is_green(records, budgets, passed)
    parts = [
        _block("Failed", [line for record in records if record.gates for line in _failure(record)]),
        _block("Known issues", _known(records)),
        _block("Skipped", _skips(records)),
        _block("Slowest", _slowest(records)),
        _block("Time by capability", budget_lines(records, budgets) if budgets else []),
        _block("Reports", [f"{name:<8} {path}" for name, path in reports.items()]),
    ]
    known = f", {count['known_issues']} of the skipped are known issues" if count["known_issues"] else ""
    # The last line has the form that CI systems look for: "N passed, N failed, N skipped".
    parts.append(
        f"{count['total']} scenarios in {seconds(duration)}{known}\n{'PASSED' if green else 'FAILED'}: "
        f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped\n"
    )
    return "\n".join(part for part in parts if part)


def markdown(
    records: Sequence[Record],
    *,
    target: str,
    duration: float,
    budgets: Budgets | None = None,
    passed: bool | None = None,
    more: Sequence[str] = (),
) -> str:
    """The run in the Markdown of GitHub, for the page of a CI job. `passed` as for `closing_text`.

    `more`: sections of others, in Markdown.
    """
    count = counts(records)
    mark = "✅ Passed" if _is_green(records, budgets, passed) else "❌ Failed"
    known = f", {count['known_issues']} of the skipped are known issues" if count["known_issues"] else ""
    failed = [
        f"- **{as_markdown(record.name)}** (`{_code(record.location)}`)\n\n"
        f"  {'' if record.status == 'failed' else 'harness: '}"
        f"{as_markdown(one_line(record.error, 300)) or 'it failed without a message'}"
        for record in records
        if record.gates
    ]
    issues = [
        line
        for reason, those in _by_reason(records).items()
        for line in (f"- {as_markdown(reason)}", *(f"  - {as_markdown(record.name)}" for record in those))
    ]
    rows = []
    for name, spent in capability_seconds(records).items():
        limits = budgets.get(name) if budgets else None
        told = f"{limits[0]:g} s | {limits[1]:g} s" if limits else "|"
        rows.append(f"| {as_markdown(capability_title(name))} | {seconds(spent)} | {told} |")
    parts = [
        f"## {mark}: {as_markdown(target)}",
        f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped{known}; "
        f"{count['total']} scenarios in {seconds(duration)}",
        "\n".join(["### Failed", "", *failed]) if failed else "",
        "\n".join(["### Known issues", "", *issues]) if issues else "",
        "\n".join(["### Skipped", "", *(f"- {as_markdown(line)}" for line in _skips(records))])
        if _skips(records)
        else "",
        *more,
        "\n".join(["### Time", "", "| capability | time | target | maximum |", "|---|---:|---:|---:|", *rows])
        if rows
        else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _is_green(records: Sequence[Record], budgets: Budgets | None, passed: bool | None) -> bool:
    if passed is not None:
        return passed
    count = counts(records)
    checked = count["passed"] + count["known_issues"] > 0
    return count["failed"] == 0 and checked and not over_maximum(records, budgets or {})


def _code(text: str) -> str:
    return visible(text).replace("`", "'")


def _test(record: Record) -> dict[str, Any]:
    failed = record.status in ("failed", "broken", "known_issue")
    test: dict[str, Any] = {
        "name": record.name,
        "status": _PLAIN_STATUS[record.status],
        "duration": round(record.duration, 3),
        "verdict": record.status,
        "feature": record.feature,
        "capability": record.capability,
        "location": record.location,
        "tags": list(record.tags),
    }
    if failed:
        test["error"] = record.error or "it failed without a message"
    else:
        test["output"] = record.output
    if record.reason:
        test["reason"] = record.reason
    if record.source:
        test["source"] = record.source
    if record.cells:
        test["cells"] = [asdict(cell) for cell in record.cells]
    if record.measures:
        test["measures"] = [
            {"key": item.key, "title": item.title, "value": item.value, "unit": item.unit}
            for item in record.measures
        ]
    return test


def _block(title: str, lines: Sequence[str]) -> str:
    return f"{title}\n" + "".join(f"  {line}\n" for line in lines) if lines else ""


def _failure(record: Record) -> list[str]:
    kind = "" if record.status == "failed" else " (harness)"
    return [
        f"{visible(record.location)}  {one_line(record.name, 100)}{kind}",
        f"    {one_line(record.error) or 'it failed without a message'}",
    ]


def _by_reason(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Each reason of a known issue once, with its source and the scenarios that have it."""
    reasons: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.status == "known_issue":
            told = f" ({visible(record.source)})" if record.source else ""
            reasons[f"{one_line(record.reason, 300)}{told}"].append(record)
    return reasons


def _known(records: Sequence[Record]) -> list[str]:
    lines = []
    for reason, those in _by_reason(records).items():
        lines.append(reason)
        lines += [f"    {visible(record.location)}  {one_line(record.name, 100)}" for record in those]
    return lines


def _skips(records: Sequence[Record]) -> list[str]:
    reasons = Counter(one_line(record.reason) for record in records if record.status == "skipped")
    return [f"{number} x {reason}" for reason, number in reasons.most_common()]


def _slowest(records: Sequence[Record]) -> list[str]:
    ran = sorted(records, key=lambda record: record.duration, reverse=True)
    return [f"{seconds(r.duration):>7}  {one_line(r.name, 100)}" for r in ran[:SLOWEST] if r.duration > 0]
