"""A run that has ended, read again from its folder of reports: verdicts, measures, resource usage."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from support.errors import COMPLETE_CODES, SettingsError
from support.reporting.files import ITERATIONS, REPORT, USAGE
from support.results.decision import Gate
from support.results.safe_text import left_out
from support.results.severity import Severity
from support.units import Json
from support.user_files import problem_of

# What reports of earlier versions of the suite do not have.
_NEW_FIELDS = ("decision", "severity", "subject")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Measure(_Part):
    """One measured figure of a scenario."""

    title: str
    value: float
    unit: str


class Row(_Part):
    """A scenario or a check of `report.json`."""

    kind: str
    name: str
    verdict: str
    severity: Severity
    capability: str
    location: str
    title: str = ""
    scenario: str = ""
    reason: str = ""
    source: str = ""
    reason_source: str = ""
    error: str = ""
    tags: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()

    @property
    def feature_file(self) -> str:
        """Empty for what failed outside of the features, a server that ended for example."""
        file = self.location.rpartition(":")[0]
        return file if file.endswith(".feature") else ""


class _Accepted(_Part):
    id: str


class Report(_Part):
    """The fields of `report.json` that a comparison needs."""

    suite: str
    timestamp: str
    decision: Literal["GO", "NO-GO"]
    subject: str
    gate: Gate
    candidate: bool
    exit_code: int
    accepted: tuple[_Accepted, ...]
    environment: Mapping[str, str]
    tests: tuple[Row, ...]
    unselected: int = 0
    out_of_scope: int = 0

    @property
    def left_out(self) -> str:
        """What a whole run has and this one has not."""
        return left_out(self.unselected, self.out_of_scope)

    def setting(self, name: str) -> str:
        """The value of a setting of the run, without its origin."""
        return self.environment.get(f"setting {name}", "").rpartition(" (")[0]


@dataclass(frozen=True)
class FinishedRun:
    """A run, or several of `--iterations`. `usage`: the peaks of the resource usage of each, by name."""

    folder: Path
    reports: tuple[Report, ...]
    usage: tuple[Mapping[str, float], ...]

    @property
    def report(self) -> Report:
        return self.reports[-1]

    @property
    def label(self) -> str:
        """What was tested: `mistralrs 0.8.1`."""
        return self.report.subject

    @cached_property
    def features(self) -> frozenset[str]:
        return frozenset(row.feature_file for row in self.report.tests if row.feature_file)


def load_finished_run(path: Path) -> FinishedRun:
    """From its folder, its `report.json`, or another file of that form; raises `SettingsError` in one line.

    The reports of `--iterations` count if the last one of them is this run's.
    """
    if path.suffix == ".json" and path.name != REPORT:
        # Such as one that was kept under another name, or one of `--iterations`.
        return FinishedRun(path.parent, (_read_report(path),), (_peaks(path.with_suffix(".csv")),))
    folder = path.parent if path.name == REPORT else path
    report = _read_report(folder / REPORT)
    files = sorted((folder / ITERATIONS).glob("*.json"), key=lambda file: (len(file.stem), file.stem))
    kept = [_read_report(file) for file in files]
    if len(kept) > 1 and kept[-1] == report:
        return FinishedRun(folder, tuple(kept), tuple(_peaks(file.with_suffix(".csv")) for file in files))
    return FinishedRun(folder, (report,), (_peaks(folder / USAGE),))


def _read_report(file: Path) -> Report:
    try:
        report = Report.model_validate_json(file.read_bytes())
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read ({problem_of(error)}): it is no folder of reports; run the suite first"
        ) from None
    except ValidationError as error:
        raise SettingsError(f"{file} {_problem(error)}; run the suite again") from None
    if report.exit_code not in COMPLETE_CODES:
        raise SettingsError(
            f"{file} is of a run that ended with exit code {report.exit_code} before all was checked; "
            "run the suite again"
        )
    return report


def _problem(error: ValidationError) -> str:
    errors = error.errors(include_url=False, include_input=False)
    missing = {str(one["loc"][-1]) for one in errors if one["type"] == "missing"}
    if new := next((name for name in _NEW_FIELDS if name in missing), ""):
        return f"has no `{new}`: it is of an earlier version of the suite"
    place = ".".join(map(str, errors[0]["loc"]))
    return f"is no report of this suite ({f'{place}: ' if place else ''}{errors[0]['msg']})"


def _peaks(file: Path) -> dict[str, float]:
    """The largest value of each column, the time and those without a number left out."""
    if not file.is_file():
        return {}
    peaks: dict[str, float] = {}
    with file.open(encoding="utf-8", newline="") as stream:
        for name, value in _figures(csv.DictReader(stream)):
            peaks[name] = max(value, peaks.get(name, value))
    return peaks


def _figures(rows: Iterator[Mapping[str, Json]]) -> Iterator[tuple[str, float]]:
    for row in rows:
        for name, text in row.items():
            try:
                yield name, float(text)
            except (TypeError, ValueError):
                continue
