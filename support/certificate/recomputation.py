"""The decision of a run, made once more from its raw results (`records.jsonl`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from support.errors import EXIT_BUDGET, AcceptanceError, SettingsError
from support.reporting.files import ITERATIONS, REPORT
from support.reporting.report_json import rows_of
from support.reporting.run_verdict import RunVerdict
from support.reporting.summary import CapabilityTime, budgets_of, check_counts, counts
from support.results.accepted_issues import AcceptedIssues
from support.results.decision import Decision, decide
from support.results.known_issues import KnownIssues
from support.results.record import Record, read_records
from support.results.safe_text import left_out
from support.runner.exit_code import exit_code
from support.runner.rerun import unlike_earlier
from support.units import JsonObject
from support.user_files import problem_of

RECORDS, ACCEPTED, KNOWN = "records.jsonl", "accepted.toml", "known_issues.toml"
HARNESS = "harness"


@dataclass(frozen=True)
class RecomputedRun:
    """A run as its report has it, and what its raw results do not confirm."""

    report: JsonObject
    differences: tuple[str, ...]

    @property
    def headline(self) -> str:
        report = self.report
        left = left_out(report["unselected"], report["out_of_scope"])
        part = f" for the selected part only, without {left}" if left and report["decision"] == "GO" else ""
        return f"{report['decision']}{part}: {report['subject']} (gate: {report['gate']})"


def recompute(folder: Path) -> RecomputedRun:
    """Compare the report of a run with its raw results; raises `SettingsError` for what cannot be read."""
    try:
        report: JsonObject = json.loads((folder / REPORT).read_bytes())
        records = read_records(folder / RECORDS)
        if not records:
            raise ValueError(f"{RECORDS} has no result")
        expected = _normalized(_recomputed(folder, report, records))
        actual = {name: report.get(name) for name in expected}
    except OSError as error:
        raise SettingsError(f"{folder}: {problem_of(error)}") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, AcceptanceError) as error:
        raise SettingsError(f"{folder} has no run that can be read ({error})") from None
    return RecomputedRun(report, tuple(_differences(expected, actual)))


def _recomputed(folder: Path, report: JsonObject, records: Sequence[Record]) -> JsonObject:
    """The fields of the report that follow from the raw results."""
    decision = _decision(folder, report, records)
    selected = {record.location for record in records if record.capability != HARNESS}
    times = _times(report, records)
    code = exit_code(records, selected, decision, broken=False)
    if any(time.is_late for time in times):
        code = code or EXIT_BUDGET
    verdict = RunVerdict(report["subject"], code, decision, times, candidate=report["candidate"])
    marked = [decision.marked(record) for record in records]
    found = verdict.to_json()
    names = ("decision", "exit_code", "out_of_scope", "blockers", "accepted", "known_issues_by_severity")
    return {
        **{name: found[name] for name in names},
        "budgets": found["budgets"],
        "summary": counts(marked),
        "checks": check_counts(marked),
        "tests": [row for record in marked for row in rows_of(record)],
    }


def _decision(folder: Path, report: JsonObject, records: Sequence[Record]) -> Decision:
    known = KnownIssues.load(folder / KNOWN).entries if report["gate"] != "strict" else ()
    flaky = {entry.check or entry.scenario for entry in known if entry.flaky}
    accepted = AcceptedIssues.load(folder / ACCEPTED)
    decision = decide(records, report["gate"], accepted, flaky)
    # What was not selected has no raw result.
    decision = replace(decision, unselected=report["unselected"])
    files = sorted((folder / ITERATIONS).glob("*.json"), key=lambda file: (len(file.stem), file.stem))
    if not files:
        return decision
    earlier = [json.loads(file.read_bytes()) for file in files[:-1]]
    no_go = [str(number) for number, one in enumerate(earlier, 1) if one["decision"] != "GO"]
    return replace(decision, earlier_no_go=", ".join(no_go), differing=unlike_earlier(folder, records))


def _times(report: JsonObject, records: Sequence[Record]) -> list[CapabilityTime]:
    """The seconds of the raw results, with the limits and the load of the machine of the report."""
    rows = report["budgets"]
    limits = {row["capability"]: (row["target"], row["maximum"]) for row in rows}
    return budgets_of(records, limits, {row["capability"]: row["others"] for row in rows})


def _normalized(value: JsonObject) -> JsonObject:
    found: JsonObject = json.loads(json.dumps(value, default=str))
    return found


def _differences(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> list[str]:
    return [
        _difference(name, actual[name], value) for name, value in expected.items() if actual[name] != value
    ]


def _difference(name: str, actual: object, expected: object) -> str:
    """The first value that differs, with its place: lists of the same length are not told apart by it."""
    if isinstance(actual, list) and isinstance(expected, list) and len(actual) == len(expected):
        at = next(at for at, pair in enumerate(zip(actual, expected, strict=True)) if pair[0] != pair[1])
        return _difference(f"{name}[{at}]", actual[at], expected[at])
    if isinstance(actual, dict) and isinstance(expected, dict) and actual.keys() == expected.keys():
        key = next(key for key in expected if actual[key] != expected[key])
        return _difference(f"{name}.{key}", actual[key], expected[key])
    return f"{name} is {_short(actual)}, by the raw results {_short(expected)}"


def _short(value: object) -> str:
    return f"{len(value)} entries" if isinstance(value, list) else f"{value!r:.80}"
