"""The results of earlier runs, one JSON line each, for the trends of the HTML report.

Allure reads and appends to a copy: it never shortens the file, and a line that it cannot read would cost the
report.
"""

from __future__ import annotations

import json
from pathlib import Path

from support.programs.install import ReportProgress
from support.reporting.files import write_atomically
from support.results.redaction import redact_data

MAX_RUNS = 30
# A line of 500 scenarios has a few hundred kilobytes.
MAX_BYTES = 20_000_000


def load_history(history: Path, copy: Path, report_progress: ReportProgress) -> None:
    """Copy the runs that can be read; report one line when there are others."""
    lines, unreadable = [], 0
    try:
        text = history.read_text(encoding="utf-8", errors="replace") if history.exists() else ""
    except OSError as error:
        report_progress(f"the history {history} cannot be read ({error.strerror}); the report has no trends")
        text = ""
    for line in text.splitlines():
        if _is_run(line):
            lines.append(line)
        else:
            unreadable += 1
    if unreadable:
        report_progress(
            f"the history {history} has {unreadable} lines that are no record of a run; they are ignored"
        )
    copy.write_text("".join(f"{line}\n" for line in lines[-MAX_RUNS:]), encoding="utf-8")


def save_history(copy: Path, history: Path, report_progress: ReportProgress) -> None:
    """Keep the latest runs, `MAX_RUNS` and `MAX_BYTES` at most; report one line when that fails."""
    kept: list[str] = []
    size = 0
    for line in reversed(copy.read_text(encoding="utf-8").splitlines()[-MAX_RUNS:]):
        size += len(line.encode()) + 1
        if size > MAX_BYTES:
            break
        kept.append(line)
    try:
        write_atomically(history, redact_data("".join(f"{line}\n" for line in reversed(kept)).encode()))
    except OSError as error:
        report_progress(
            f"the history {history} cannot be written ({error.strerror}); the next report lacks this run"
        )


def _is_run(line: str) -> bool:
    try:
        run = json.loads(line)
    except (ValueError, RecursionError):
        return False
    # What Allure 3.18 reads (@allurereport/core, history.js).
    return (
        isinstance(run, dict)
        and isinstance(run.get("testResults"), dict)
        and isinstance(run.get("uuid"), str)
    )
