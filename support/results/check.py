"""The result of one check: a case or a sequence of an API, run as part of a group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from support.results.outcome import MatrixCell

CheckStatus = Literal["passed", "failed", "known_issue", "unsupported", "not_run"]
Level = Literal["must", "should"]


@dataclass(frozen=True)
class CheckResult:
    """One check of a group.

    `expected` is what the rule requires, `actual` what was received, in a line or two; `source` is where the
    rule is written, `repeat` the command that sends the request again. `reason` explains a check that is a
    known issue, unsupported or not run; `reason_source` is where the known issue is documented. `start` is
    in epoch seconds, `duration` in seconds. `cells`: one per compared server, the one under test first.
    """

    id: str
    title: str
    group: str
    level: Level
    status: CheckStatus
    expected: str = ""
    actual: str = ""
    source: str = ""
    repeat: str = ""
    reason: str = ""
    reason_source: str = ""
    start: float = 0.0
    duration: float = 0.0
    cells: tuple[MatrixCell, ...] = ()

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CheckResult:
        """From `dataclasses.asdict`, after JSON; raises KeyError or TypeError when it is none."""
        cells = tuple(MatrixCell(**cell) for cell in data.get("cells", ()))
        return cls(**{**data, "cells": cells})
