"""The results of earlier runs, one JSON line each, for the trends of the HTML report.

Allure reads and appends to a copy: it never shortens the file, and a line that it cannot read would cost the
report. Only runs of the same target and selection are compared: their lines have the same `compared`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from support.programs.install import ReportProgress
from support.reporting.files import write_atomically
from support.results.redaction import redact_data
from support.units import JsonObject
from support.user_files import problem_of

MAX_RUNS = 30
# A line of 500 scenarios has a few hundred kilobytes.
MAX_BYTES = 20_000_000


def load_history(history: Path, copy: Path, report_progress: ReportProgress, compared: str = "") -> list[str]:
    """Copy the runs that are compared with this one; returns the others. One line reports unreadable ones."""
    lines: dict[bool, list[str]] = {True: [], False: []}
    unreadable = 0
    try:
        text = history.read_text(encoding="utf-8", errors="replace") if history.exists() else ""
    except OSError as error:
        report_progress(
            f"the history {history} cannot be read ({problem_of(error)}); the report has no trends"
        )
        text = ""
    for line in text.splitlines():
        run = _run_of(line)
        if run is None:
            unreadable += 1
        else:
            lines[run.get("compared", "") == compared].append(line)
    if unreadable:
        report_progress(
            f"the history {history} has {unreadable} lines that are no record of a run; they are ignored"
        )
    copy.write_text("".join(f"{line}\n" for line in lines[True][-MAX_RUNS:]), encoding="utf-8")
    return lines[False]


def save_history(
    copy: Path,
    history: Path,
    report_progress: ReportProgress,
    compared: str = "",
    others: Sequence[str] = (),
) -> None:
    """Keep the latest runs, `MAX_RUNS` of those compared and `MAX_BYTES` at most; `others` come before them.

    One line reports that it fails.
    """
    kept: list[str] = []
    size = 0
    latest = copy.read_text(encoding="utf-8").splitlines()[-MAX_RUNS:]
    if latest and compared:
        latest[-1] = json.dumps({**json.loads(latest[-1]), "compared": compared})
    for line in reversed([*others, *latest]):
        size += len(line.encode()) + 1
        if size > MAX_BYTES:
            break
        kept.append(line)
    try:
        write_atomically(history, redact_data("".join(f"{line}\n" for line in reversed(kept)).encode()))
    except OSError as error:
        report_progress(
            f"the history {history} cannot be written ({problem_of(error)}); the next report lacks this run"
        )


def _run_of(line: str) -> JsonObject | None:
    try:
        run = json.loads(line)
    except (ValueError, RecursionError):
        return None
    # What Allure 3.18 reads (@allurereport/core, history.js).
    valid = (
        isinstance(run, dict)
        and isinstance(run.get("testResults"), dict)
        and isinstance(run.get("uuid"), str)
    )
    return run if valid else None
