"""The matrix: which server keeps which behaviour. `reports/matrix.md`, and a page of the HTML report.

Fed from the `cells` of the result records; a run without cells has no matrix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from support.reporting.observing import capability_title
from support.reporting.records import Record
from support.reporting.summary import write_atomically
from support.reporting.text import as_markdown, one_line, visible
from support.reporting.verdict import Cell, CellStatus, Evidence

REASON_WIDTH = 300
# Sign, colour of its ground, and whether it counts as asked. Signs differ without colour as well.
_SIGNS: dict[CellStatus, tuple[str, str]] = {
    "kept": ("✓", "#d6f2dc"),
    "broken": ("✗", "#f9d0d0"),
    "known issue": ("!", "#fbe8c2"),
    "lacking": ("–", "#e3e6ea"),
    "not asked": ("·", "#ffffff"),
}
_ASKED: tuple[CellStatus, ...] = ("kept", "broken", "known issue")
NOT_ASKED = Cell("", "not asked")


@dataclass
class Row:
    """A behaviour, the group that it stands in, and its cell for each server."""

    title: str
    group: str
    cells: dict[str, Cell] = field(default_factory=dict)


@dataclass(frozen=True)
class Matrix:
    """Rows sorted by group, in the order of the run within it; servers in the order in which they came."""

    rows: Sequence[Row]
    servers: Sequence[str]

    @classmethod
    def of(cls, records: Sequence[Record]) -> Matrix:
        """The last cell of a server and behaviour counts."""
        rows: dict[tuple[str, str], Row] = {}
        servers: dict[str, None] = {}
        for record in records:
            for cell in record.cells:
                group = f"{capability_title(record.capability)}: {record.feature}"
                title = cell.behaviour or record.name
                row = rows.setdefault((group, title), Row(title, group))
                row.cells[cell.server] = cell
                servers[cell.server] = None
        return cls(sorted(rows.values(), key=lambda row: row.group), list(servers))

    def summary(self, server: str) -> str:
        """`kept / asked` of a server: what it lacks and what nobody asked is not counted."""
        counted = Counter(row.cells.get(server, NOT_ASKED).status for row in self.rows)
        return f"{counted['kept']} / {sum(counted[status] for status in _ASKED)}"

    def markdown(self) -> str:
        """A table per group, and the reasons as footnotes below it."""
        parts = ["# Which server keeps what", _legend(), self._markdown_table("", [], summary=True)]
        for group in dict.fromkeys(row.group for row in self.rows):
            those = [row for row in self.rows if row.group == group]
            parts.append(f"## {as_markdown(group)}")
            parts.append(self._markdown_table("behaviour", those))
        return "\n\n".join(parts) + "\n"

    def _markdown_table(self, head: str, rows: Sequence[Row], *, summary: bool = False) -> str:
        titles = [head, *(as_markdown(server) for server in self.servers)]
        lines = [_line(titles), _line(["---", *(":-:" for _ in self.servers)])]
        if summary:
            lines.append(_line(["**kept / asked**", *(self.summary(server) for server in self.servers)]))
        notes: dict[str, int] = {}
        for row in rows:
            told = [as_markdown(row.title)]
            for server in self.servers:
                cell = row.cells.get(server, NOT_ASKED)
                note = f" <sup>{notes.setdefault(_reason(cell), len(notes) + 1)}</sup>" if cell.reason else ""
                told.append(_SIGNS[cell.status][0] + note)
            lines.append(_line(told))
        below = [f"{number}. {as_markdown(reason)}" for reason, number in notes.items()]
        return "\n".join(lines) + ("\n\n" + "\n".join(below) if below else "")

    def html(self) -> str:
        """One table without a script; a reason is shown when the pointer rests on its cell, and listed below.

        Styles stand in the elements: Allure's viewer takes out a `<style>`.
        """
        heads = "".join(f'<th style="{_HEAD}">{_text(server)}</th>' for server in self.servers)
        sums = "".join(f'<td style="{_CELL};font-weight:600">{self.summary(s)}</td>' for s in self.servers)
        notes: dict[str, int] = {}
        lines, group = [], ""
        for row in self.rows:
            if row.group != group:
                group = row.group
                span = len(self.servers) + 1
                lines.append(f'<tr><th colspan="{span}" style="{_GROUP}">{_text(group)}</th></tr>')
            cells = "".join(_html_cell(row.cells.get(server, NOT_ASKED), notes) for server in self.servers)
            lines.append(f'<tr><td style="{_TITLE}">{_text(row.title)}</td>{cells}</tr>')
        below = "".join(f"<li>{_text(reason)}</li>" for reason in notes)
        return (
            f'<div style="font:13px system-ui,sans-serif;color:#20242a;background:#fff;padding:12px">'
            f"<p>{_text(_legend())}</p>"
            f'<table style="border-collapse:collapse"><thead><tr><th style="{_HEAD};text-align:left">'
            f"behaviour</th>{heads}</tr></thead><tbody>"
            f'<tr><td style="{_TITLE};font-weight:600">kept / asked</td>{sums}</tr>'
            f"{''.join(lines)}</tbody></table>"
            + (f"<p>Reasons</p><ol>{below}</ol>" if below else "")
            + "</div>"
        )

    def page(self) -> Evidence:
        """For the run's page in the report."""
        return Evidence("matrix of servers", "text/html", self.html().encode(errors="backslashreplace"))


def write_matrix(file: Path, records: Sequence[Record]) -> Matrix | None:
    """Write `file` and return the matrix; without cells, remove the file of an earlier run."""
    matrix = Matrix.of(records)
    if not matrix.rows:
        file.unlink(missing_ok=True)
        return None
    write_atomically(file, matrix.markdown().encode())
    return matrix


_BORDER = "border:1px solid #d5d9df;padding:2px 8px"
_CELL = f"{_BORDER};text-align:center;white-space:nowrap"
_TITLE = f"{_BORDER};text-align:left;max-width:560px"
_HEAD = f"{_BORDER};position:sticky;top:0;background:#eef1f5"
_GROUP = f"{_BORDER};text-align:left;background:#f6f7f9;padding-top:8px"


def _html_cell(cell: Cell, notes: dict[str, int]) -> str:
    sign, ground = _SIGNS[cell.status]
    if not cell.reason:
        return f'<td style="{_CELL};background:{ground}" title="{cell.status}">{sign}</td>'
    reason = _reason(cell)
    number = notes.setdefault(reason, len(notes) + 1)
    title = escape(f"{cell.status}: {reason}")
    return f'<td style="{_CELL};background:{ground}" title="{title}">{sign}<sup>{number}</sup></td>'


def _reason(cell: Cell) -> str:
    return one_line(cell.reason, REASON_WIDTH)


def _legend() -> str:
    return ", ".join(f"{sign} {status}" for status, (sign, _) in _SIGNS.items())


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    return escape(" ".join(visible(text).split()))
