"""The matrix as one page without script: a row opens on a click, and words go where a screen is narrow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from support.reporting.matrix import MARKS, MEANINGS, NAMES, TITLE, ApiMatrix, Matrix, Row, share
from support.results.outcome import MatrixCell

_RFC = re.compile(r"\bRFC (\d+)(?:, (\d+(?:\.\d+)*))?")
_STYLE = (
    "body{font:14px/1.45 system-ui,sans-serif;color:#1c2024;background:#fff;margin:12px}"
    "h1{font-size:22px;margin:0 0 8px}h2{font-size:18px;margin:28px 0 8px}"
    "table{border-collapse:collapse;margin:0 0 12px}th,td{border:1px solid #d5d9de;padding:3px 6px;"
    "text-align:left;vertical-align:top}td.n,th.n{text-align:center}"
    "table.m{width:100%;max-width:76em}table.m thead th{position:sticky;top:0;background:#eef1f4;z-index:1}"
    "tr.g th{background:#eef1f4;border-top:2px solid #8a929b}td.s{text-align:center;white-space:nowrap}"
    "table.m th.n,td.s{font-size:13px;width:8.5em}td.s[title]{cursor:help}.j{font-weight:400;font-size:12px}"
    ".passed{background:#e3f4e6;color:#14532d}.failed{background:#fbdcdc;color:#7f1d1d;font-weight:600}"
    ".known_issue{background:#fdf0cf;color:#6b4a00}.unsupported{background:#e6e8eb;color:#3d444d}.not_run{color:#59616a}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 10px;margin:8px 0}"
    "dt{padding:0 6px}dd{margin:0}"
    "summary{cursor:pointer}details ul{margin:4px 0 6px 18px;padding:0;font-size:13px;overflow-wrap:anywhere}"
    "code{font:12px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}"
    "#d:checked~table.m tr.k{display:none}"
    "@media(max-width:720px){body{margin:6px;font-size:13px}td.s .w{display:none}td.s{font-size:16px}"
    "table.m th.n,td.s{width:2em;padding:3px 2px}table.m thead th.n{writing-mode:vertical-rl;max-height:14em}"
    "tr.g th.n,tr.a th.n{font-size:10px;font-weight:400}table.c{font-size:11px}"
    "table.c th,table.c td{padding:2px}}"
)


def html_page(matrix: Matrix) -> str:
    """Counts, meanings, incidents, then the rows of each API."""
    counted = "".join(_counts_table(part) for part in matrix.apis)
    happened = "".join(f"<li>{escape(incident)}</li>" for incident in matrix.incidents())
    tables = "".join(f"<h2>{escape(part.title)}</h2>{_table(part)}" for part in matrix.apis)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{TITLE}</title><style>{_STYLE}</style></head><body><h1>{TITLE}</h1>"
        "<p>One row for each behaviour, one column for each server of the API. Only the server under test "
        "decides the result of the run; the others are compared with it.</p>"
        f"{counted}{_legend()}{f'<p>Server incidents:</p><ul>{happened}</ul>' if happened else ''}"
        "<p>A click on a row shows the source of its rule, why a server does not conform, and the "
        'command that shows it.</p><input type="checkbox" id="d"> <label for="d">Only rows where servers '
        f"differ or fail</label>{tables}</body></html>\n"
    )


def _counts_table(api: ApiMatrix) -> str:
    head, *rows = api.counts()
    lines = [_line("th", [api.title, *head[1:]])]
    lines += [_line("td", row) for row in rows]
    return f'<table class="c">{"".join(lines)}</table>'


def _line(kind: str, texts: Sequence[str]) -> str:
    first, *others = (escape(word) for word in texts)
    cells = "".join(f'<{kind} class="n">{word}</{kind}>' for word in others)
    return f"<tr><th>{first}</th>{cells}</tr>"


def _legend() -> str:
    words = (
        f'<dt class="{_class(status)}">{mark} {NAMES[status]}</dt><dd>{MEANINGS[status]}</dd>'
        for status, mark in MARKS.items()
    )
    return f"<dl>{''.join(words)}</dl>"


def _table(api: ApiMatrix) -> str:
    under_test = '<br><span class="j">under test</span>'
    columns = "".join(
        f'<th class="n">{escape(server)}{under_test if server in api.under_test else ""}</th>'
        for server in api.servers
    )
    body = [f'<tr class="a"><th>passed / run</th>{_shares(api.rows, api)}</tr>']
    for group, rows in api.groups():
        body.append(f'<tr class="g"><th>{escape(group)}</th>{_shares(rows, api)}</tr>')
        body += [_row(row, api) for row in rows]
    return (
        f'<table class="m"><thead><tr><th>behaviour</th>{columns}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _shares(rows: Sequence[Row], api: ApiMatrix) -> str:
    return "".join(f'<th class="n">{share(rows, server)}</th>' for server in api.servers)


def _row(row: Row, api: ApiMatrix) -> str:
    cells = []
    for server in api.servers:
        cell = row.cell(server)
        title = f' title="{escape(cell.reason)}"' if cell.reason else ""
        told = f'{MARKS[cell.status]}<span class="w"> {NAMES[cell.status]}</span>'
        cells.append(f'<td class="s {_class(cell.status)}"{title}>{told}</td>')
    items = [f"<li>{told}</li>" for told in (_rule(row), *_reasons(row, api), _rerun_hint(row)) if told]
    opened = f"<details><summary>{escape(row.title)}</summary><ul>{''.join(items)}</ul></details>"
    kept = ' class="k"' if row.all_passed else ""
    return f'<tr{kept}><td class="b">{opened}</td>{"".join(cells)}</tr>'


def _rule(row: Row) -> str:
    if not row.source:
        return ""
    return f"source: {_RFC.sub(_rfc_link, escape(row.source))}"


def _rfc_link(found: re.Match[str]) -> str:
    section = f"#section-{found[2]}" if found[2] else ""
    place = f"https://www.rfc-editor.org/rfc/rfc{found[1]}{section}"
    return f'<a href="{place}" target="_blank" rel="noopener">{found[0]}</a>'


def _reasons(row: Row, api: ApiMatrix) -> list[str]:
    return [_reason(server, row.cell(server)) for server in api.servers if row.cell(server).reason]


def _reason(server: str, cell: MatrixCell) -> str:
    repeat = f"<br><code>{escape(cell.repeat)}</code>" if cell.repeat else ""
    return f"<b>{escape(server)}</b>, {NAMES[cell.status]}: {escape(cell.reason)}{repeat}"


def _rerun_hint(row: Row) -> str:
    quoted = row.scenario.replace('"', '\\"')
    return f'rerun with <code>acceptance run --name "{escape(quoted, quote=False)}"</code>'


def _class(status: str) -> str:
    return escape(status)
