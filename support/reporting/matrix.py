"""The matrix: what each server made of each behaviour, as a page of the HTML report and as Markdown.

Made of the cells that scenarios left in the records; a run without cells has no matrix.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from support.reporting.observing import capability_of, capability_title
from support.reporting.records import Record
from support.reporting.text import as_markdown, one_line, visible
from support.reporting.verdict import Cell

REASON_CHARACTERS = 400
# A mark beside the word: colours alone are nothing for a printer, or for one in twelve men.
MARKS = {"kept": "✓", "broken": "✗", "known issue": "!", "lacking": "–", "not asked": "·"}
_NOT_ASKED = Cell("", "not asked")
# behave's mark of an outline row: ` -- @1.2 names`.
_ROW_MARK = re.compile(r" -- @([\d.]+).*$")
_STYLE = (
    "body{font:14px/1.4 system-ui,sans-serif;color:#1c2024;background:#fff;margin:12px}"
    "table{border-collapse:collapse}th,td{border:1px solid #d5d9de;padding:3px 6px;text-align:left;"
    "vertical-align:top}table.m thead th{position:sticky;top:0;background:#eef1f4}"
    "tr.g th{background:#eef1f4;border-top:2px solid #8a929b}"
    "td.s,th.n,td.n{text-align:center}td.n{white-space:nowrap}td.s[title]{cursor:help}"
    "table.m .n,td.s{font-size:13px;max-width:11em}table.m .b{min-width:17em;max-width:34em}"
    ".kept{background:#e3f4e6;color:#14532d}.broken{background:#fbdcdc;color:#7f1d1d;font-weight:600}"
    ".known{background:#fdf0cf;color:#6b4a00}.lacking{background:#e6e8eb;color:#3d444d}"
    ".not{color:#6a727b}summary{cursor:pointer}details ul{margin:4px 0 4px 18px;padding:0;font-size:13px}"
)


@dataclass(frozen=True)
class Row:
    """One behaviour; `cells` by the label of the server."""

    group: str
    title: str
    cells: dict[str, Cell]

    def of(self, server: str) -> Cell:
        """`not asked` where nothing is known: the server has no such API, or the scenario ended before."""
        return self.cells.get(server, _NOT_ASKED)


@dataclass(frozen=True)
class Matrix:
    """Behaviours by servers: the judged servers first, rows in the order of the features."""

    servers: tuple[str, ...]
    rows: tuple[Row, ...]

    def __bool__(self) -> bool:
        return bool(self.rows)

    def groups(self) -> list[tuple[str, list[Row]]]:
        """The rows of each feature, with its name."""
        return [(name, list(rows)) for name, rows in groupby(self.rows, key=lambda row: row.group)]


def matrix_of(records: Iterable[Record]) -> Matrix:
    """The matrix of a run. A judged cell goes before one of a comparison; texts are safe to be shown."""
    found: dict[tuple[str, str, int, str], dict[str, Cell]] = {}
    judged: dict[str, None] = {}
    others: dict[str, None] = {}
    for record in records:
        for cell in record.cells:
            file, _, line = record.location.rpartition(":")
            row = found.setdefault((file, record.feature, int(line or 0), record.name), {})
            server = one_line(cell.server, 60) or "?"
            old = row.get(server)
            if old is None or old.status == "not asked" or cell.judged:
                row[server] = Cell(server, cell.status, _short(cell.reason), cell.judged)
            (judged if cell.judged else others)[server] = None
    rows, seen = [], Counter[tuple[str, str]]()
    folders = {file: _folder(file) for file, *_ in found}
    for key in sorted(found, key=lambda key: (folders[key[0]], key[1], key[0], key[2], key[3])):
        file, feature, _, name = key
        group = f"{folders[file]}: {one_line(feature)}"
        title = one_line(_ROW_MARK.sub("", name), 200)
        seen[group, title] += 1
        number = f" ({seen[group, title]})" if seen[group, title] > 1 else ""
        rows.append(Row(group, title + number, found[key]))
    return Matrix(tuple(judged | others), tuple(rows))


def kept_of_asked(rows: Sequence[Row], server: str) -> tuple[int, int]:
    """How many behaviours it kept, of how many it was asked for; what it lacks it was asked for."""
    statuses = [row.of(server).status for row in rows]
    return statuses.count("kept"), len(statuses) - statuses.count("not asked")


def markdown_page(matrix: Matrix) -> str:
    """The matrix in the Markdown of GitHub: reasons are footnotes, each text once."""
    notes: dict[str, int] = {}

    def shown(cell: Cell) -> str:
        told = f"{MARKS.get(cell.status, '?')} {as_markdown(cell.status)}"
        return f"{told}[^{notes.setdefault(cell.reason, len(notes) + 1)}]" if cell.reason else told

    head = ["behaviour", *map(as_markdown, matrix.servers)]
    parts = ["# What each server keeps", "\n".join(_markdown_counts(matrix))]
    for group, rows in matrix.groups():
        lines = _markdown_table(
            head,
            [
                *([as_markdown(row.title), *(shown(row.of(s)) for s in matrix.servers)] for row in rows),
                ["**kept / asked**", *(f"**{_share(rows, s)}**" for s in matrix.servers)],
            ],
        )
        parts.append("\n".join([f"## {as_markdown(group)}", "", *lines]))
    if notes:
        parts.append("\n".join(f"[^{number}]: {as_markdown(reason)}" for reason, number in notes.items()))
    return "\n\n".join(parts) + "\n"


def brief_markdown(matrix: Matrix) -> str:
    """The summary alone, for the page of a CI job."""
    return "\n".join(["### What each server keeps", "", *_markdown_counts(matrix)])


def html_page(matrix: Matrix) -> str:
    """One page without script; a row with reasons opens on a click, each cell tells its own on hovering."""
    columns = "".join(f'<th class="n">{escape(server)}</th>' for server in matrix.servers)
    body = [f"<tr><th>kept / asked</th>{_shares(matrix.rows, matrix)}</tr>"]
    for group, rows in matrix.groups():
        body.append(f'<tr class="g"><th>{escape(group)}</th>{_shares(rows, matrix)}</tr>')
        body += [_html_row(row, matrix) for row in rows]
    legend = " ".join(
        f'<span class="{_class(status)}">&nbsp;{mark} {status}&nbsp;</span>' for status, mark in MARKS.items()
    )
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>What each server keeps</title>'
        f"<style>{_STYLE}</style></head><body><h1>What each server keeps</h1>{_html_counts(matrix)}"
        f"<p>{legend}</p><p>A behaviour with a ▸ opens: it says why a server does not keep it.</p>"
        f'<table class="m"><thead><tr><th>behaviour</th>{columns}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></body></html>\n"
    )


def _html_row(row: Row, matrix: Matrix) -> str:
    cells, reasons = [], []
    for server in matrix.servers:
        cell = row.of(server)
        title = f' title="{escape(cell.reason)}"' if cell.reason else ""
        told = f"{MARKS.get(cell.status, '?')} {escape(cell.status)}"
        cells.append(f'<td class="s {_class(cell.status)}"{title}>{told}</td>')
        if cell.reason:
            reasons.append(f"<li><b>{escape(server)}</b>: {escape(cell.reason)}</li>")
    behaviour = escape(row.title)
    if reasons:
        behaviour = f"<details><summary>{behaviour}</summary><ul>{''.join(reasons)}</ul></details>"
    return f'<tr><td class="b">{behaviour}</td>{"".join(cells)}</tr>'


def _html_counts(matrix: Matrix) -> str:
    head, *rows = _counts(matrix)
    lines = ["<tr>" + "".join(f'<th class="n">{escape(word)}</th>' for word in head) + "</tr>"]
    for server, *numbers in rows:
        cells = "".join(f'<td class="n">{escape(number)}</td>' for number in numbers)
        lines.append(f"<tr><th>{escape(server)}</th>{cells}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _markdown_counts(matrix: Matrix) -> list[str]:
    head, *rows = _counts(matrix)
    return _markdown_table(head, [[as_markdown(server), *numbers] for server, *numbers in rows])


def _markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---", *[":---:"] * (len(head) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _counts(matrix: Matrix) -> list[list[str]]:
    """A heading and one line per server: its label, kept / asked, and how often each status."""
    table = [["server", "kept / asked", *MARKS]]
    for server in matrix.servers:
        each = Counter(row.of(server).status for row in matrix.rows)
        table.append([server, _share(matrix.rows, server), *(str(each[status]) for status in MARKS)])  # type: ignore[index]
    return table


def _shares(rows: Sequence[Row], matrix: Matrix) -> str:
    return "".join(f'<th class="n">{_share(rows, server)}</th>' for server in matrix.servers)


def _share(rows: Sequence[Row], server: str) -> str:
    kept, asked = kept_of_asked(rows, server)
    return f"{kept} / {asked}" if asked else "-"


def _class(status: str) -> str:
    return escape(status.split()[0])


def _short(reason: str) -> str:
    text = " ".join(visible(reason).split())
    return text if len(text) <= REASON_CHARACTERS else f"{text[: REASON_CHARACTERS - 1]}…"


def _folder(file: str) -> str:
    return capability_title(capability_of(file))
