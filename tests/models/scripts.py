"""Scripts in short form."""

from __future__ import annotations

from collections.abc import Iterable

from support.models.script import Row, Script


def script_of(default: str, rows: Iterable[tuple[str, str]]) -> Script:
    """A script from pairs of keyword and answer."""
    return Script(tuple(Row(keyword, answer) for keyword, answer in rows), default)


def row_of(script: Script, keyword: str) -> Row:
    """The row of a keyword."""
    return next(row for row in script.rows if row.keyword == keyword)
