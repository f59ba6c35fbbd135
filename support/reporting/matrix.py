"""The matrix: the result of each check on each server (`rendering` makes the pages of it).

Made of the checks in the records; a run without checks has no matrix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from support.reporting.behave_events import capability_title
from support.reporting.check_text import STATUS_NAMES
from support.results.check import CheckResult
from support.results.outcome import CellStatus, MatrixCell
from support.results.record import Record
from support.results.rerun_command import rerun_command
from support.results.safe_text import one_line, shortened, visible

REASON_CHARACTERS = 400
TITLE = "Conformance by server"
# A mark beside the word: colours alone are lost in print and to colour-blind readers.
MARKS: dict[CellStatus, str] = {
    "passed": "✓",
    "failed": "✗",
    "known_issue": "!",
    "unsupported": "–",
    "not_run": "·",
}
MEANINGS: dict[CellStatus, str] = {
    "passed": "conforms to the rule",
    "failed": "does not conform to the rule; no known issue",
    "known_issue": "does not conform, but is listed in known_issues.toml for this version, with the reason",
    "unsupported": "the server has no such route or model and reports that: unsupported, not a defect",
    "not_run": "was not run; the row has the reason",
}
_NOT_RUN = MatrixCell("", "not_run")


@dataclass(frozen=True)
class Row:
    """One check: `cells` by the label of the server, `source` where its rule is written.

    `rerun` is the command that runs it again.
    """

    id: str
    title: str
    group: str
    level: str
    source: str
    rerun: str
    cells: dict[str, MatrixCell]

    def cell(self, server: str) -> MatrixCell:
        """`not_run` where nothing is known: the scenario ended before."""
        return self.cells.get(server, _NOT_RUN)

    def cells_on(self, servers: Iterable[str]) -> list[MatrixCell]:
        """The cells of these columns."""
        return [self.cell(server) for server in servers]

    @property
    def all_passed(self) -> bool:
        """Whether it conforms on each server that it was run on."""
        return all(cell.status in ("passed", "not_run") for cell in self.cells.values())


@dataclass(frozen=True)
class ApiMatrix:
    """The checks of one API by servers, those under test first; `under_test` has the labels of these."""

    title: str
    servers: tuple[str, ...]
    under_test: frozenset[str]
    rows: tuple[Row, ...]

    def groups(self) -> list[tuple[str, list[Row]]]:
        """The rows of each group, with its name."""
        return [(name, list(rows)) for name, rows in groupby(self.rows, key=lambda row: row.group)]

    def counts(self) -> list[list[str]]:
        """A heading and one line per server: its label, passed / run, and how often each status."""
        table = [[self.title, "passed / run", *STATUS_NAMES.values()]]
        for server in self.servers:
            each = Counter(row.cell(server).status for row in self.rows)
            table.append([self.label(server), share(self.rows, server), *(str(each[s]) for s in MARKS)])
        return table

    def label(self, server: str) -> str:
        """Its label, and whether it is under test."""
        return f"{server} (under test)" if server in self.under_test else server


@dataclass(frozen=True)
class Matrix:
    """Checks by servers, API by API."""

    apis: tuple[ApiMatrix, ...]

    def __bool__(self) -> bool:
        return bool(self.apis)

    @property
    def rows(self) -> list[Row]:
        return [row for part in self.apis for row in part.rows]

    def incidents(self) -> list[str]:
        """The compared servers that died, hung or were left out, each with the case or the reason."""
        crashed = [
            f"{server}: {cell.incident} (case: {row.title})"
            for row in self.rows
            for server, cell in row.cells.items()
            if cell.incident
        ]
        left_out = Counter(
            (server, cell.reason)
            for row in self.rows
            for server, cell in row.cells.items()
            if cell.status == "not_run" and cell.reason
        )
        return crashed + [f"{server}: {number} not run: {why}" for (server, why), number in left_out.items()]


def matrix_of(records: Iterable[Record]) -> Matrix:
    """The matrix of a run, its texts safe to show; groups are in the order of the features."""
    apis: dict[str, dict[str, Row]] = {}
    for record in sorted(records, key=_place):
        for check in record.checks:
            rows = apis.setdefault(capability_title(record.capability), {})
            row = rows.setdefault(check.id, _empty_row(check))
            for cell in check.cells or _own_cell(check, record):
                _add(row.cells, cell)
    return Matrix(tuple(_api_matrix(title, tuple(rows.values())) for title, rows in sorted(apis.items())))


def _place(record: Record) -> tuple[str, str, int]:
    file, _, line = record.location.rpartition(":")
    return record.feature, file, int(line or 0)


def _empty_row(check: CheckResult) -> Row:
    return Row(
        id=one_line(check.id),
        title=one_line(check.title, 200),
        group=one_line(check.group),
        level=check.level,
        source=one_line(check.source or next((cell.source for cell in check.cells if cell.source), ""), 120),
        rerun=visible(rerun_command("--case", check.id)),
        cells={},
    )


def _own_cell(check: CheckResult, record: Record) -> Sequence[MatrixCell]:
    """The cell of a check that was compared with nothing."""
    if check.status == "not_run":
        return []
    status = "failed" if check.status == "accepted" else check.status
    reason = check.actual if status in ("failed", "known_issue") else check.reason
    return [MatrixCell(record.target, status, reason, under_test=True, repeat=check.repeat)]


def _add(cells: dict[str, MatrixCell], cell: MatrixCell) -> None:
    """A result goes before no result, the server under test before a compared one."""
    server = one_line(cell.server, 60) or "?"
    old = cells.get(server)
    if old is None or old.status == "not_run" or cell.under_test:
        cells[server] = _safe(cell, server)


def _api_matrix(title: str, rows: tuple[Row, ...]) -> ApiMatrix:
    under_test: dict[str, None] = {}
    others: dict[str, None] = {}
    for row in rows:
        for server, cell in row.cells.items():
            (under_test if cell.under_test else others)[server] = None
    return ApiMatrix(title, tuple(under_test | others), frozenset(under_test), rows)


def passed_of_run(rows: Sequence[Row], server: str) -> tuple[int, int]:
    """How many checks conform, of how many were run; an unsupported one was run."""
    statuses = [row.cell(server).status for row in rows]
    return statuses.count("passed"), len(statuses) - statuses.count("not_run")


def share(rows: Sequence[Row], server: str) -> str:
    """`3 / 4`, or a hyphen where nothing was run."""
    passed, run = passed_of_run(rows, server)
    return f"{passed} / {run}" if run else "-"


def _safe(cell: MatrixCell, server: str) -> MatrixCell:
    source, incident = one_line(cell.source, 120), one_line(cell.incident, 120)
    reason = shortened(_flat(cell.reason), REASON_CHARACTERS)
    return MatrixCell(server, cell.status, reason, cell.under_test, source, _flat(cell.repeat), incident)


def _flat(text: str) -> str:
    return " ".join(visible(text).split())
