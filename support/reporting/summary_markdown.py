"""`summary.md`: the run in the Markdown of GitHub, for the page of a CI job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from support.reporting.behave_events import capability_title
from support.reporting.check_text import rerun_command
from support.reporting.summary import (
    Budgets,
    capability_seconds,
    check_counts_text,
    counts,
    known_issues_by_reason,
    skip_lines,
    totals_text,
)
from support.results.record import Record
from support.results.safe_text import as_markdown, one_line, seconds, visible


def markdown(
    records: Sequence[Record],
    *,
    target: str,
    duration: float,
    budgets: Budgets,
    passed: bool,
    sections: Sequence[str] = (),
) -> str:
    """The page; `sections`: more of them, in Markdown."""
    count, checks = counts(records), check_counts_text(records)
    mark = "✅ Passed" if passed else "❌ Failed"
    known = (
        line
        for reason, lines in known_issues_by_reason(records).items()
        for line in (f"- {as_markdown(reason)}", *(f"  - {as_markdown(line)}" for line in lines))
    )
    parts = [
        f"## {mark}: {as_markdown(target)}",
        f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped; "
        + totals_text(records, duration),
        f"Checks: {checks}" if checks else "",
        _section("Failed", [item for record in records if record.gates for item in _failure(record)]),
        _section("Known issues", list(known)),
        _section("Skipped", [f"- {as_markdown(line)}" for line in skip_lines(records)]),
        *sections,
        _section("Time", _times(records, budgets)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"### {title}", "", *lines]) if lines else ""


def _failure(record: Record) -> Iterator[str]:
    """The scenario, then its failed checks with the command that runs each, or its error."""
    failed = [check for check in record.checks if check.status == "failed"]
    heading = f"- **{as_markdown(record.name)}** (`{_code(record.location)}`)"
    if not failed:
        kind = "" if record.status == "failed" else "harness: "
        error = as_markdown(one_line(record.error, 300)) or "it failed without a message"
        yield f"{heading}\n\n  {kind}{error}"
        return
    yield heading
    for check in failed:
        actual = as_markdown(one_line(check.actual, 300))
        command = _code(rerun_command(check))
        yield f"  - `{_code(check.id)}` {as_markdown(check.title)}: {actual} (`{command}`)"


def _times(records: Sequence[Record], budgets: Budgets) -> list[str]:
    rows = []
    for name, spent in capability_seconds(records).items():
        limits = budgets.get(name)
        cells = f"{limits[0]:g} s | {limits[1]:g} s" if limits else "|"
        rows.append(f"| {as_markdown(capability_title(name))} | {seconds(spent)} | {cells} |")
    head = ["| capability | time | target | maximum |", "|---|---:|---:|---:|"]
    return [*head, *rows] if rows else []


def _code(text: str) -> str:
    return visible(text).replace("`", "'")
