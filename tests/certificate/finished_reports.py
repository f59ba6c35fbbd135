"""A folder of reports as a run leaves it, made from records by the suite's own code."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from support.reporting.report_json import build_report, write_report
from support.reporting.run_verdict import RunVerdict
from support.reporting.summary import CapabilityTime
from support.results.accepted_issues import AcceptedIssues
from support.results.check import CheckResult
from support.results.decision import decide
from support.results.outcome import Status
from support.results.record import Record, latest_records
from support.runner.exit_code import exit_code

STARTED = 1_790_000_000.0
PASSED = CheckResult("openai.a.b", "a title", "a group", "must", "passed", expected="status 200")
KNOWN = replace(PASSED, id="openai.a.c", status="known_issue", reason="a reason", actual="got 500")


def record(name: str, status: Status = "passed", *checks: CheckResult) -> Record:
    return Record(
        name,
        "a feature",
        f"features/openai_api/a.feature:{len(name)}",
        "openai_api",
        status,
        tags=("normal",),
        duration=1.25,
        start=STARTED,
        checks=checks,
        error="it failed" if status == "failed" else "",
    )


def write_reports(folder: Path, records: Sequence[Record], program: Path | None = None) -> Path:
    """`program`: the file that was tested; an old one."""
    folder.mkdir(parents=True)
    records = latest_records(records)
    decision = decide(records, "release", AcceptedIssues())
    selected = {one.location for one in records}
    code = exit_code(records, selected, decision, broken=False)
    times = [CapabilityTime("openai_api", sum(one.duration for one in records), 20.0, 40.0)]
    verdict = RunVerdict("mistralrs 0.9.2", code, decision, times)
    facts = {
        "target": "mistralrs 0.9.2",
        "Ollama API": "gateway",
        "platform": platform.platform(),
        "command": "acceptance run api",
        "setting acceptance_gate": "release (--gate)",
    }
    if program is not None:
        program.write_bytes(b"a program")
        os.utime(program, (STARTED - 60, STARTED - 60))
        facts["target file"] = str(program)
    report = build_report(records, verdict, suite="api", environment=facts, started=STARTED, duration=2.5)
    write_report(folder / "report.json", report)
    (folder / "records.jsonl").write_text("".join(one.to_line() for one in records))
    (folder / "junit").mkdir()
    (folder / "junit" / "api.xml").write_text("<testsuites/>")
    (folder / "index.html").write_text("<html>")
    return folder
