"""The matrix: the result of each behaviour on each server. `matrix_html` and `matrix_markdown` write it down.

Made of the cells that scenarios left in the records; a run without cells has no matrix.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from support.reporting.behave_events import capability_of, capability_title
from support.results.outcome import CellStatus, MatrixCell
from support.results.record import Record
from support.results.safe_text import one_line, visible

REASON_CHARACTERS = 400
TITLE = "Conformance by server"
# A mark beside the word: colours alone are nothing for a printer, or for one in twelve men.
MARKS: dict[CellStatus, str] = {
    "passed": "✓",
    "failed": "✗",
    "known_issue": "!",
    "unsupported": "–",
    "not_run": "·",
}
NAMES: dict[CellStatus, str] = {status: status.replace("_", " ") for status in MARKS}
MEANINGS: dict[CellStatus, str] = {
    "passed": "conforms to the rule",
    "failed": "does not conform to the rule; no known issue",
    "known_issue": "does not conform, but is listed in known_issues.toml for this version, with the reason",
    "unsupported": "the server has no such route or model and reports that: unsupported, not a defect",
    "not_run": "nothing is known; the row has the reason",
}
_NOT_RUN = MatrixCell("", "not_run")
# behave's mark of an outline row, ` -- @1.2 names`, and what all rows of a part begin with.
_ROW_MARK = re.compile(r" -- @([\d.]+).*$")
_API_PREFIX = re.compile(r"^(?:In|Within) (?:the \w+|every) API ")


@dataclass(frozen=True)
class Row:
    """One behaviour; `cells` by the label of the server, `source` is where its rule is written."""

    group: str
    title: str
    scenario: str
    cells: dict[str, MatrixCell]

    def cell(self, server: str) -> MatrixCell:
        """`not_run` where nothing is known: the scenario ended before."""
        return self.cells.get(server, _NOT_RUN)

    @property
    def source(self) -> str:
        return next((cell.source for cell in self.cells.values() if cell.source), "")

    @property
    def all_passed(self) -> bool:
        """Whether it conforms on each server that it was run on."""
        return all(cell.status in ("passed", "not_run") for cell in self.cells.values())


@dataclass(frozen=True)
class ApiMatrix:
    """The behaviours of one API, by the servers that offer it: those under test first.

    `under_test` are the labels of those that the verdict is about. Rows are in the order of the features.
    """

    title: str
    servers: tuple[str, ...]
    under_test: frozenset[str]
    rows: tuple[Row, ...]

    def groups(self) -> list[tuple[str, list[Row]]]:
        """The rows of each feature, with its name."""
        return [(name, list(rows)) for name, rows in groupby(self.rows, key=lambda row: row.group)]

    def counts(self) -> list[list[str]]:
        """A heading and one line per server: its label, passed / run, and how often each status."""
        table = [["server", "passed / run", *NAMES.values()]]
        for server in self.servers:
            each = Counter(row.cell(server).status for row in self.rows)
            table.append([self.label(server), share(self.rows, server), *(str(each[s]) for s in MARKS)])
        return table

    def label(self, server: str) -> str:
        """Its label, and whether it is under test."""
        return f"{server} (under test)" if server in self.under_test else server


@dataclass(frozen=True)
class Matrix:
    """Behaviours by servers, API by API."""

    apis: tuple[ApiMatrix, ...]

    def __bool__(self) -> bool:
        return bool(self.apis)

    @property
    def rows(self) -> list[Row]:
        return [row for part in self.apis for row in part.rows]

    def incidents(self) -> list[str]:
        """The compared servers that died, hung or were left out, each with the case or the reason."""
        told = [
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
        return told + [f"{server}: {number} not run: {why}" for (server, why), number in left_out.items()]


def matrix_of(records: Iterable[Record]) -> Matrix:
    """The matrix of a run, texts made safe. A cell of the server under test replaces a compared one."""
    found: dict[tuple[str, str, int, str], dict[str, MatrixCell]] = {}
    for record in records:
        for cell in record.cells:
            file, _, line = record.location.rpartition(":")
            row = found.setdefault((file, record.feature, int(line or 0), record.name), {})
            server = one_line(cell.server, 60) or "?"
            old = row.get(server)
            if old is None or old.status == "not_run" or cell.under_test:
                row[server] = _safe(cell, server)
    rows: dict[str, list[Row]] = {}
    seen = Counter[tuple[str, str, str]]()
    parts = {file: capability_title(capability_of(file)) for file, *_ in found}
    for key in sorted(found, key=lambda key: (parts[key[0]], key[1], key[0], key[2], key[3])):
        file, feature, _, name = key
        group, scenario = one_line(feature), one_line(_ROW_MARK.sub("", name), 200)
        title = _API_PREFIX.sub("", scenario)
        seen[parts[file], group, title] += 1
        number = seen[parts[file], group, title]
        told = f"{title} ({number})" if number > 1 else title
        rows.setdefault(parts[file], []).append(Row(group, told, scenario, found[key]))
    return Matrix(tuple(_api_matrix(title, tuple(of_part)) for title, of_part in rows.items()))


def _api_matrix(title: str, rows: tuple[Row, ...]) -> ApiMatrix:
    under_test: dict[str, None] = {}
    others: dict[str, None] = {}
    for row in rows:
        for server, cell in row.cells.items():
            (under_test if cell.under_test else others)[server] = None
    return ApiMatrix(title, tuple(under_test | others), frozenset(under_test), rows)


def passed_of_run(rows: Sequence[Row], server: str) -> tuple[int, int]:
    """How many behaviours conform, of how many were run; an unsupported one was run."""
    statuses = [row.cell(server).status for row in rows]
    return statuses.count("passed"), len(statuses) - statuses.count("not_run")


def share(rows: Sequence[Row], server: str) -> str:
    """`3 / 4`, or a hyphen where nothing was run."""
    passed, run = passed_of_run(rows, server)
    return f"{passed} / {run}" if run else "-"


def _safe(cell: MatrixCell, server: str) -> MatrixCell:
    source, incident = one_line(cell.source, 120), one_line(cell.incident, 120)
    return MatrixCell(
        server, cell.status, _short(cell.reason), cell.under_test, source, _flat(cell.repeat), incident
    )


def _short(reason: str) -> str:
    text = _flat(reason)
    return text if len(text) <= REASON_CHARACTERS else f"{text[: REASON_CHARACTERS - 1]}…"


def _flat(text: str) -> str:
    return " ".join(visible(text).split())
