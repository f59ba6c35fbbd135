"""The outcome of one scenario, decided once, read by every report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

# The tag of what runs programs, and the beginning of the reason why it is skipped at a URL.
NEEDS_PROGRAM, TARGET_IS_URL = "needs.command", "requires a local binary, but the target is a URL"

Status = Literal["passed", "failed", "broken", "skipped", "known_issue", "accepted", "out_of_scope"]


@dataclass(frozen=True)
class Verdict:
    """The outcome of a scenario.

    failed: the product is wrong (AssertionError). broken: the harness is (anything else, hooks and cleanups
    included). skipped: `message` is the reason. known_issue: it failed as `known_issues.toml` lists;
    `message` is the failure, `why` and `source` come from the list; it does not gate. accepted: it failed,
    and `accepted.toml` lists it; the end of the run decides that. `timed_out`: a time limit ended it.
    out_of_scope: not run, since `acceptance_scope` does not have it; `message` is the reason.
    `cause`: of a failure, where the suite knows it (`support.errors.cause_of`).
    `known_in`: other programs and versions of which the failure is listed.
    `by_checks`: nothing failed but checks of its group.
    """

    status: Status
    message: str = ""
    trace: str = ""
    why: str = ""
    source: str = ""
    timed_out: bool = False
    cause: str = ""
    known_in: str = ""
    by_checks: bool = False

    @property
    def gates(self) -> bool:
        """Whether this outcome makes the run red."""
        return self.status in ("failed", "broken")


# Packed data has been redacted before: what looks like a secret in it is none.
GZIP, PNG = "application/gzip", "image/png"
PACKED = (GZIP, PNG)


@dataclass(frozen=True)
class Evidence:
    """Something a scenario leaves for a reader: a log slice, an exchange, a measurement.

    `name` is its title in the report, `file` what it is called in the folder of a failed scenario.
    `folder_only`: it is not shown in the report.
    """

    name: str
    media_type: str
    data: bytes
    file: str = ""
    folder_only: bool = False

    @classmethod
    def text(cls, name: str, text: str, file: str = "") -> Evidence:
        return cls(name, "text/plain", text.encode(errors="backslashreplace"), file)


CellStatus = Literal["passed", "failed", "known_issue", "unsupported", "not_run"]

# For programs: broken and accepted count as failed; a known issue and a check without a result as skipped.
PLAIN_STATUS: dict[Status | CellStatus | Literal["accepted"], Literal["passed", "failed", "skipped"]] = {
    "passed": "passed",
    "failed": "failed",
    "broken": "failed",
    "accepted": "failed",
    "skipped": "skipped",
    "out_of_scope": "skipped",
    "known_issue": "skipped",
    "unsupported": "skipped",
    "not_run": "skipped",
}


@dataclass(frozen=True)
class MatrixCell:
    """The result of one behaviour on one server, with a short reason where there is one.

    `under_test`: the scenario is about this server; the others are compared with it. `source`: where the rule
    is written. `repeat`: the command that shows what was seen. `incident`: why the server stopped responding.
    `seconds`: how long its requests took.
    """

    server: str
    status: CellStatus
    reason: str = ""
    under_test: bool = False
    source: str = ""
    repeat: str = ""
    incident: str = ""
    seconds: float = 0.0


def mark_known(cell: MatrixCell, why: str, source: str) -> MatrixCell:
    """The cell of what is listed as a known issue."""
    listed = f"{why} ({source})" if why else ""
    return replace(cell, status="known_issue", reason="; seen: ".join(filter(None, (listed, cell.reason))))


@dataclass(frozen=True)
class Measurement:
    """One measured figure, kept in the report and shown as a trend: `key` is stable across runs."""

    key: str
    title: str
    value: float
    unit: str
