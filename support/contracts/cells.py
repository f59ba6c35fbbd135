"""The fields of the matrix: what each server made of a case."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

CellStatus = Literal["kept", "broken", "known issue", "lacking", "not asked"]


@dataclass(frozen=True)
class Cell:
    """What one server made of a case; `reason` says why it did not keep it."""

    server: str
    status: CellStatus
    reason: str = ""
    judged: bool = False


def settled(cells: Iterable[Cell], verdict: str) -> tuple[Cell, ...]:
    """The same once the verdict is there: what the judged server breaks may be a known issue."""
    known = verdict == "known_issue"
    return tuple(replace(cell, status="known issue") if known and cell.judged else cell for cell in cells)
