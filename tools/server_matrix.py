"""The matrix of servers in the README, from finished runs: `make server-matrix ARGS="FOLDER..."`.

A row for each folder of reports, in their order; a column for each capability: what passed of what was run. A
check of a group counts, and the scenario of the group only where it failed and none of its checks did. What a
run has left out by selection is told beside its server; a run that did not come to its end is refused.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.errors import COMPLETE_CODES
from support.results.safe_text import counted, left_out
from support.runner.selection import FOLDERS

PROJECT = Path(__file__).resolve().parents[1]
README = PROJECT / "README.md"
BEGIN, END = "<!-- servers: begin -->\n", "<!-- servers: end -->"
# Columns by the names of capabilities in the reports.
CAPABILITIES: Mapping[str, str] = {Path(folder).name: suite for suite, folder in FOLDERS.items()}
PASSED, FAILED, KNOWN = "passed", "failed", "known_issue"
SKIPPED = "skipped"


class MatrixError(Exception):
    """A folder without a usable report; one line."""


@dataclass(frozen=True)
class ServerRun:
    """`counts`: by capability and status."""

    server: str
    date: str
    counts: Mapping[tuple[str, str], int]

    def cell(self, capability: str) -> str:
        """`12 of 14`: passed of run; a dash where nothing was run."""
        passed = self.counts[capability, PASSED]
        run = passed + self.counts[capability, FAILED] + self.counts[capability, KNOWN]
        return f"{passed} of {run}" if run else "-"

    def all_with(self, status: str) -> int:
        return sum(count for (_, found), count in self.counts.items() if found == status)


def main(folders: Sequence[str]) -> int:
    """0 when the README has the table; 2 with one line for a folder that has no usable report."""
    try:
        if not folders:
            raise MatrixError("give the folders of reports of finished runs")
        text = with_table(README.read_text(encoding="utf-8"), [server_run(Path(name)) for name in folders])
    except MatrixError as error:
        print(f"server_matrix: {error}", file=sys.stderr)
        return 2
    README.write_text(text, encoding="utf-8")
    print(f"server_matrix: {counted(len(folders), 'run')} in {README.name}")
    return 0


def server_run(folder: Path) -> ServerRun:
    """Of the report in a folder. Raises `MatrixError`."""
    file = folder / "report.json"
    try:
        report: Mapping[str, Any] = json.loads(file.read_bytes())
        tests: Sequence[Mapping[str, Any]] = report["tests"]
        counts = Counter((str(row["capability"]), str(row["status"])) for row in _counted(tests))
        # The address of a server that was started for the run says nothing to a reader.
        subject = re.sub(r" at https?://\S+$", "", str(report["subject"]))
        date, server = str(report["timestamp"])[:10], subject.replace("|", "\\|")
        code = report["exit_code"]
        missing = left_out(int(report["unselected"]), int(report["out_of_scope"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise MatrixError(f"{file} is no report of a run ({type(error).__name__}: {error})") from None
    if code not in COMPLETE_CODES:
        raise MatrixError(f"{file}: the run did not come to its end (exit code {code})")
    return ServerRun(f"{server}, without {missing}" if missing else server, date, counts)


def _counted(tests: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The checks, and the scenarios of which no check tells the result."""
    checks = [test for test in tests if test["kind"] == "check"]
    groups = {test["scenario"] for test in checks}
    failed = {test["scenario"] for test in checks if test["status"] == FAILED}
    scenarios = [test for test in tests if test["kind"] != "check"]
    # Its checks may all have passed: it took too long, or its server has died.
    alone = [
        one
        for one in scenarios
        if one["name"] not in groups or (one["status"] == FAILED and one["name"] not in failed)
    ]
    return [*checks, *alone]


def table(runs: Sequence[ServerRun]) -> str:
    """Markdown, with the results that did not pass at the end."""
    names = ["server", *CAPABILITIES.values(), "known issues", "failed", "skipped", "date"]
    lines = [names, ["---"] * len(names)]
    lines += [
        [
            run.server,
            *(run.cell(capability) for capability in CAPABILITIES),
            *(str(run.all_with(status)) for status in (KNOWN, FAILED, SKIPPED)),
            run.date,
        ]
        for run in runs
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def with_table(text: str, runs: Sequence[ServerRun]) -> str:
    """The README with another table between the marks. Raises `MatrixError` when it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise MatrixError(f"{README.name} has no place for it: {BEGIN.strip()} and {END}")
    return f"{before}{begin}\n{table(runs)}{end}{after}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
