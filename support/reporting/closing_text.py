"""The end of a run on the terminal: failures, known issues, skips, times, reports, totals, verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from support.reporting.check_text import check_line
from support.reporting.summary import (
    Budgets,
    budget_lines,
    check_counts_text,
    counts,
    known_issues_by_reason,
    skip_lines,
    totals_text,
)
from support.results.record import Record
from support.results.safe_text import one_line, seconds, visible

SLOWEST = 3


def closing_text(
    records: Sequence[Record],
    *,
    reports: Mapping[str, Path],
    duration: float,
    budgets: Budgets,
    passed: bool,
) -> str:
    """The blocks of the text; the last one has the totals and the verdict."""
    count, checks = counts(records), check_counts_text(records)
    verdict = "PASSED" if passed else "FAILED"
    # The last line has the form that CI systems look for: "N passed, N failed, N skipped".
    totals = [
        totals_text(records, duration),
        f"checks: {checks}" if checks else "",
        f"{verdict}: {count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped",
    ]
    parts = [
        _block("Failed", [line for record in records if record.gates for line in _failure(record)]),
        _block("Known issues", list(_known_issues(records))),
        _block("Skipped", skip_lines(records)),
        _block("Slowest", _slowest(records)),
        _block("Time by capability", budget_lines(records, budgets)),
        _block("Reports", [f"{name:<8} {path}" for name, path in reports.items()]),
        "".join(f"{line}\n" for line in totals if line),
    ]
    return "\n".join(part for part in parts if part)


def _block(title: str, lines: Sequence[str]) -> str:
    return f"{title}\n" + "".join(f"  {line}\n" for line in lines) if lines else ""


def _failure(record: Record) -> Iterator[str]:
    """The scenario, then its failed checks, or its error."""
    kind = "" if record.status == "failed" else " (harness)"
    yield f"{visible(record.location)}  {one_line(record.name, 100)}{kind}"
    failed = [check for check in record.checks if check.status == "failed"]
    for check in failed:
        yield f"    {check_line(check)}"
    if not failed:
        yield f"    {one_line(record.error) or 'it failed without a message'}"


def _known_issues(records: Sequence[Record]) -> Iterator[str]:
    for reason, lines in known_issues_by_reason(records).items():
        yield reason
        yield from (f"    {line}" for line in lines)


def _slowest(records: Sequence[Record]) -> list[str]:
    ran = sorted(records, key=lambda record: record.duration, reverse=True)
    return [f"{seconds(r.duration):>7}  {one_line(r.name, 100)}" for r in ran[:SLOWEST] if r.duration > 0]
