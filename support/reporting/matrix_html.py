"""The matrix as one page without script: a row opens on a click, and words go where a screen is narrow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from support.reporting.check_text import STATUS_NAMES
from support.reporting.matrix import MARKS, MEANINGS, TITLE, ApiMatrix, Matrix, Row, share
from support.results.outcome import MatrixCell

PAGE = Path(__file__).parent / "templates" / "matrix.html"
_RFC = re.compile(r"\bRFC (\d+)(?:, (\d+(?:\.\d+)*))?")


def html_page(matrix: Matrix) -> str:
    """Counts, meanings, incidents of servers, then the rows of each API."""
    incidents = "".join(f"<li>{escape(incident)}</li>" for incident in matrix.incidents())
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=TITLE,
        counts="".join(map(_counts_table, matrix.apis)),
        legend=_legend(),
        incidents=f"<p>Server incidents:</p><ul>{incidents}</ul>" if incidents else "",
        tables="".join(f"<h2>{escape(api.title)}</h2>{_table(api)}" for api in matrix.apis),
    )


def _counts_table(api: ApiMatrix) -> str:
    head, *rows = api.counts()
    lines = [_line("th", [api.title, *head[1:]])]
    lines += [_line("td", row) for row in rows]
    return f'<table class="counts">{"".join(lines)}</table>'


def _line(kind: str, texts: Sequence[str]) -> str:
    first, *others = map(escape, texts)
    cells = "".join(f'<{kind} class="number">{text}</{kind}>' for text in others)
    return f"<tr><th>{first}</th>{cells}</tr>"


def _legend() -> str:
    return "".join(
        f'<dt class="{status}">{mark} {STATUS_NAMES[status]}</dt><dd>{MEANINGS[status]}</dd>'
        for status, mark in MARKS.items()
    )


def _table(api: ApiMatrix) -> str:
    note = '<br><span class="note">under test</span>'
    columns = "".join(
        f'<th class="number">{escape(server)}{note if server in api.under_test else ""}</th>'
        for server in api.servers
    )
    body = [f'<tr class="total"><th colspan="2">passed / run</th>{_shares(api.rows, api)}</tr>']
    for group, rows in api.groups():
        body.append(f'<tr class="group"><th colspan="2">{escape(group)}</th>{_shares(rows, api)}</tr>')
        body += [_row(row, api) for row in rows]
    return (
        f'<table class="matrix"><thead><tr><th>check</th><th class="level">level</th>{columns}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _shares(rows: Sequence[Row], api: ApiMatrix) -> str:
    return "".join(f'<th class="number">{share(rows, server)}</th>' for server in api.servers)


def _row(row: Row, api: ApiMatrix) -> str:
    cells = "".join(_cell(row.cell(server)) for server in api.servers)
    items = [_source(row), *_reasons(row, api), f"rerun with <code>{escape(row.rerun, quote=False)}</code>"]
    listed = "".join(f"<li>{item}</li>" for item in items if item)
    title = f'{escape(row.title)} <span class="id">{escape(row.id)}</span>'
    opened = f"<details><summary>{title}</summary><ul>{listed}</ul></details>"
    kind = ' class="all_passed"' if row.all_passed else ""
    return f'<tr{kind}><td>{opened}</td><td class="level">{row.level}</td>{cells}</tr>'


def _cell(cell: MatrixCell) -> str:
    title = f' title="{escape(cell.reason)}"' if cell.reason else ""
    text = f'{MARKS[cell.status]}<span class="word"> {STATUS_NAMES[cell.status]}</span>'
    return f'<td class="status {cell.status}"{title}>{text}</td>'


def _source(row: Row) -> str:
    return f"source: {_RFC.sub(_rfc_link, escape(row.source))}" if row.source else ""


def _rfc_link(found: re.Match[str]) -> str:
    section = f"#section-{found[2]}" if found[2] else ""
    place = f"https://www.rfc-editor.org/rfc/rfc{found[1]}{section}"
    return f'<a href="{place}" target="_blank" rel="noopener">{found[0]}</a>'


def _reasons(row: Row, api: ApiMatrix) -> list[str]:
    return [_reason(server, row.cell(server)) for server in api.servers if row.cell(server).reason]


def _reason(server: str, cell: MatrixCell) -> str:
    repeat = f"<br><code>{escape(cell.repeat)}</code>" if cell.repeat else ""
    return f"<b>{escape(server)}</b>, {STATUS_NAMES[cell.status]}: {escape(cell.reason)}{repeat}"
