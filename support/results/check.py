"""The result of one check: a case or a sequence of an API, run as part of a group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from support.errors import NotSupported
from support.results.outcome import MatrixCell
from support.results.rerun_command import rerun_command
from support.results.safe_text import first_lines
from support.results.severity import Severity
from support.units import JsonObject

CheckStatus = Literal["passed", "failed", "known_issue", "accepted", "unsupported", "not_run"]
Level = Literal["must", "should"]


@dataclass(frozen=True)
class CheckResult:
    """One check of a group.

    `expected` is what the rule requires, `actual` what was received, in a line or two; `source` is where the
    rule is written, `repeat` the command that sends the request again. `reason` explains a check that is a
    known issue, accepted, unsupported or not run; `reason_source` is where the known issue is documented.
    `start` is in epoch seconds, `duration` in seconds. `cells`: one per compared server, the one under test
    first. `severity`: None where it is that of its scenario. `cause`: why it failed, where the suite knows
    it; all that has failed for it has the same text. `known_in`: other programs and versions of which the
    failure is listed.
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
    severity: Severity | None = None
    cause: str = ""
    known_in: str = ""

    @classmethod
    def from_dict(cls, data: JsonObject) -> CheckResult:
        """From `dataclasses.asdict`, after JSON; raises KeyError or TypeError when it is none."""
        cells = tuple(MatrixCell(**cell) for cell in data.get("cells", ()))
        return cls(**{**data, "cells": cells})


# A failure has 15 lines at most: title, these, the known issue, the command, the source.
ACTUAL_LINES, OTHER_LINES = 7, 2


class ChecksFailed(AssertionError):
    """At least one check of a group failed and is no known issue. `cause`: see `support.errors.cause_of`."""

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause


class KnownIssuesFound(AssertionError):
    """Checks of a group failed, all of them known issues: `reason` and `source` are theirs."""

    def __init__(self, message: str, reason: str, source: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.source = source


def require_conforming(checks: Sequence[CheckResult], *, strict: bool) -> None:
    """The verdict of the scenario that has run these checks.

    Raises `ChecksFailed` when one failed or was not run, `KnownIssuesFound` when all that failed are known
    issues, and `NotSupported` when all are unsupported; with `strict` already when one is and none failed.
    """
    by_status = {
        status: [check for check in checks if check.status == status]
        for status in ("failed", "known_issue", "unsupported", "not_run")
    }
    failed, known, unsupported, not_run = by_status.values()
    if failed:
        raise ChecksFailed(_message(f"{len(failed)} of {len(checks)} checks failed", failed))
    if not_run:
        reason = not_run[0].reason
        raise ChecksFailed(f"{len(not_run)} of {len(checks)} checks were not run: {reason}", reason)
    if unsupported and (strict or len(unsupported) == len(checks)):
        reasons = "; ".join(dict.fromkeys(check.reason for check in unsupported))
        everything = len(unsupported) == len(checks)
        raise NotSupported(
            reasons if everything else f"{len(unsupported)} of {len(checks)} checks: {reasons}"
        )
    if known:
        raise KnownIssuesFound(
            _message(f"{len(known)} of {len(checks)} checks failed, all listed as known issues", known),
            "; ".join(dict.fromkeys(check.reason for check in known)),
            ", ".join(dict.fromkeys(check.reason_source for check in known)),
        )


def _message(heading: str, checks: Iterable[CheckResult]) -> str:
    return "\n\n".join([heading, *map(describe_failure, checks)])


def describe_failure(check: CheckResult) -> str:
    """Id and title of a check that failed, and under them what was expected and what was received."""
    fields = {
        "actual": first_lines(check.actual, ACTUAL_LINES),
        "expected": first_lines(check.expected, OTHER_LINES),
        "known issue": f"{check.reason} ({check.reason_source})" if check.reason else "",
        "known in": check.known_in,
        "run": rerun_command("--case", check.id),
        "repeat": first_lines(check.repeat, OTHER_LINES),
        "source": check.source,
    }
    lines = [f"  {name + ':':<13}{_indented(text)}" for name, text in fields.items() if text]
    return "\n".join([f"{check.id}  {check.title}", *lines])


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * 15)
