"""Result records: one JSON line per scenario, written as it ends, read by the summary."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from support.errors import AcceptanceError
from support.results.check import CheckResult
from support.results.outcome import Measurement, Status
from support.results.severity import Severity, severity_of_tags
from support.units import JsonObject


@dataclass(frozen=True)
class StepRecord:
    """One step as it ran; `duration` in seconds."""

    keyword: str
    name: str
    status: str
    duration: float


# The record of a server that no longer answers; its `trace` has the unanswered requests, a line each.
UNRESPONSIVE = "unresponsive server"


@dataclass(frozen=True)
class Record:
    """One scenario, or a hook that failed outside all scenarios.

    `location` is `file:line`; `start` epoch seconds, `duration` seconds; `reason`: why it was skipped or is
    known; `error` is the failure, also of a known issue; `output` what it printed; `checks` the checks of
    the group that the scenario ran, in order. `timed_out`: a time limit ended it. `cause`, `known_in`: see
    `CheckResult`. `by_checks`: see `Verdict`.
    """

    name: str
    feature: str
    location: str
    capability: str
    status: Status
    tags: tuple[str, ...] = ()
    duration: float = 0.0
    start: float = 0.0
    steps: tuple[StepRecord, ...] = ()
    output: str = ""
    error: str = ""
    trace: str = ""
    reason: str = ""
    source: str = ""
    measures: tuple[Measurement, ...] = ()
    worker: str = "main"
    target: str = ""
    checks: tuple[CheckResult, ...] = ()
    timed_out: bool = False
    cause: str = ""
    known_in: str = ""
    by_checks: bool = False

    @property
    def severity(self) -> Severity:
        return severity_of_tags(self.tags)

    @property
    def gates(self) -> bool:
        """Whether it makes the run red."""
        return self.status in ("failed", "broken")

    def to_line(self) -> str:
        """One line of ASCII JSON, with its line feed."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Record:
        """Raises ValueError, KeyError or TypeError when the line is not a record."""
        data: JsonObject = json.loads(line)
        data["tags"] = tuple(data["tags"])
        data["steps"] = tuple(StepRecord(**step) for step in data["steps"])
        data["measures"] = tuple(Measurement(**measure) for measure in data["measures"])
        data["checks"] = tuple(CheckResult.from_dict(check) for check in data.get("checks", ()))
        return cls(**data)


def read_records(file: Path) -> list[Record]:
    """All records in the order of their start, then of their place; the last one of a scenario counts.

    A scenario writes a record when it begins, with the error that the process ended while it ran, and
    replaces it when it ends: so the scenario during which a worker was killed is named. A last line that was
    cut is left out. A missing file has no records. Raises AcceptanceError for any other unreadable line.
    """
    records = []
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            records.append(Record.from_line(line))
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break
            raise AcceptanceError(f"{file}:{number}: not a result record ({error})") from None
    return latest_records(records)


def latest_records(records: Iterable[Record]) -> list[Record]:
    """The last record of each scenario, in the order of their start, then of their place."""
    latest = {(record.target, record.location, record.feature, record.name): record for record in records}
    return sorted(latest.values(), key=lambda record: (record.start, record.location))


class RecordLog:
    """The records of a run: in memory for its verdict, and in a file, which a killed run leaves.

    A full disk ends the file, not the run: `error` is why the file is incomplete.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.error: OSError | None = None
        self._records: list[Record] = []

    def write(self, record: Record) -> None:
        self._records.append(record)
        if self.error is None:
            try:
                with self.file.open("a", encoding="ascii") as stream:
                    stream.write(record.to_line())
            except OSError as error:
                self.error = error

    def latest(self) -> list[Record]:
        return latest_records(self._records)
