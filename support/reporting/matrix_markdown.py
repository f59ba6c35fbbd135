"""The matrix in the Markdown of GitHub: reasons are footnotes, each text once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from support.reporting.check_text import STATUS_NAMES
from support.reporting.matrix import MARKS, MEANINGS, TITLE, ApiMatrix, Matrix, Row, share
from support.results.outcome import MatrixCell
from support.results.safe_text import as_markdown

NOTE_CHARACTERS = 240
# What differs from answer to answer would make a footnote of its own each time.
_VOLATILE = (
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1"),
    (re.compile(r'("id": ?"(?:[a-z]+-)?)[\w-]+"'), r'\1…"'),
    (re.compile(r'("created": ?)\d+'), r"\1…"),
)


def markdown_page(matrix: Matrix) -> str:
    """All of it: counts, meanings, incidents, the rows of each API, the reasons."""
    notes: dict[str, int] = {}
    parts = [f"# {TITLE}", *(_counts_table(part) for part in matrix.apis), _legend()]
    if incidents := matrix.incidents():
        parts.append("\n".join(["Server incidents:", "", *(f"- {as_markdown(i)}" for i in incidents)]))
    for part in matrix.apis:
        parts.append(f"## {as_markdown(part.title)}")
        parts += [_group(part, name, rows, notes) for name, rows in part.groups()]
    if notes:
        parts.append("\n".join(f"[^{number}]: {as_markdown(reason)}" for reason, number in notes.items()))
    return "\n\n".join(parts) + "\n"


def brief_markdown(matrix: Matrix) -> str:
    """The summary alone, for the page of a CI job."""
    incidents = [f"- {as_markdown(incident)}" for incident in matrix.incidents()]
    return "\n\n".join(
        [
            f"### {TITLE}",
            *(_counts_table(part) for part in matrix.apis),
            *(["\n".join(incidents)] if incidents else []),
        ]
    )


def _counts_table(api: ApiMatrix) -> str:
    head, *rows = api.counts()
    lines = _table([as_markdown(api.title), *head[1:]], [[as_markdown(row[0]), *row[1:]] for row in rows])
    return "\n".join(lines)


def _legend() -> str:
    return "\n".join(f"- {mark} {STATUS_NAMES[status]}: {MEANINGS[status]}" for status, mark in MARKS.items())


def _group(api: ApiMatrix, name: str, rows: Sequence[Row], notes: dict[str, int]) -> str:
    def shown(cell: MatrixCell) -> str:
        text = f"{MARKS[cell.status]} {STATUS_NAMES[cell.status]}"
        reason = _stable_text(cell.reason)
        return f"{text}[^{notes.setdefault(reason, len(notes) + 1)}]" if reason else text

    head = ["check", "id", "level", *map(as_markdown, api.servers), "source"]
    lines = [
        [
            *map(as_markdown, (row.title, row.id, row.level)),
            *(shown(row.cell(server)) for server in api.servers),
            as_markdown(row.source),
        ]
        for row in rows
    ]
    total = ["**passed / run**", "", "", *(f"**{share(rows, server)}**" for server in api.servers), ""]
    return "\n".join([f"### {as_markdown(name)}", "", *_table(head, [*lines, total])])


def _stable_text(reason: str) -> str:
    for pattern, instead in _VOLATILE:
        reason = pattern.sub(instead, reason)
    return reason if len(reason) <= NOTE_CHARACTERS else f"{reason[: NOTE_CHARACTERS - 1]}…"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---", *[":---:"] * (len(head) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
