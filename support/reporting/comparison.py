"""Two finished runs compared: differences, GO or NO-GO for the upgrade, the page (docs/running.md).

NO-GO: something that passes on OLD fails on NEW or is a known issue of severity `blocker` there, or a blocker
is no longer run, unless NEW is a URL and it needs a program. What is accepted does not count.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from support.errors import EXIT_FAILED, EXIT_PASSED, SettingsError
from support.reporting.files import write_atomically
from support.reporting.finished_run import FinishedRun, Row
from support.reporting.measured_changes import MeasuredChanges, measured_changes
from support.reporting.rendering import render
from support.results.causes import comparable
from support.results.known_issues import KnownIssues
from support.results.outcome import NEEDS_PROGRAM, TARGET_IS_URL
from support.results.redaction import redact
from support.results.safe_text import counted
from support.results.severity import Severity, rank

Change = Literal[
    "newly failing", "newly known", "no longer run", "not comparable", "newly run", "newly passing"
]
# In the order in which they are shown.
CHANGES: tuple[Change, ...] = (
    *("newly failing", "newly known", "no longer run", "not comparable", "newly run", "newly passing"),
)
# Those that can make the upgrade NO-GO.
REASONS: tuple[Change, ...] = ("newly failing", "newly known", "no longer run")
State = Literal["failed", "known issue", "passed", "not run"]
_STATES: Mapping[str, State] = {
    "failed": "failed",
    "broken": "failed",
    "known_issue": "known issue",
    "passed": "passed",
}
# Of several runs the first one of these counts.
_WORST: tuple[State, ...] = ("failed", "known issue", "passed", "not run")
# Settings that select what is run or what counts as failed.
_SELECTING = ("acceptance_cases", "acceptance_scope")
_COMPONENT = re.compile(r"(\S+) (\d+(?:\.\d+)+\S*)")
PAGE, TEXT = "comparison.html", "comparison.md"

Key = tuple[str, str]
"""`scenario` or `check`, and its title or id."""


@dataclass(frozen=True)
class Result:
    """A check or a scenario in a run. `reason`: why it failed, is known or was not run.

    `in_checks`: a scenario whose checks have rows that show why it did not pass.
    """

    row: Row
    state: State
    reason: str = ""
    source: str = ""
    in_checks: bool = False


@dataclass(frozen=True)
class Difference:
    """A check or a scenario with different results. `counts`: it makes the upgrade NO-GO.

    `note`: why it does not count, where that is not obvious.
    """

    kind: str
    name: str
    title: str
    capability: str
    change: Change
    severity: Severity
    old: State
    new: State
    reason: str
    source: str
    counts: bool
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """`compared`: how many checks and scenarios ran on both."""

    old: FinishedRun
    new: FinishedRun
    differences: tuple[Difference, ...]
    compared: int
    measured: MeasuredChanges = field(default_factory=MeasuredChanges)

    @property
    def go(self) -> bool:
        return not any(difference.counts for difference in self.differences)

    @property
    def exit_code(self) -> int:
        return EXIT_PASSED if self.go else EXIT_FAILED

    @cached_property
    def names(self) -> tuple[str, str]:
        """Of both sides: the versions of one program, else what was tested, if equal with the folder."""
        old, new = self.old.label, self.new.label
        if old == new:
            return f"{old} ({self.old.folder})", f"{new} ({self.new.folder})"
        (program, _, version), (other, _, new_version) = old.rpartition(" "), new.rpartition(" ")
        return (version, new_version) if program and program == other else (old, new)

    @property
    def sentences(self) -> list[str]:
        """The decision, what is listed beside it, the decisions of the two runs."""
        old, new = self.names
        listed = _numbers(self.differences, counting=not self.go)
        alone = f"By themselves: {old} is {self.old.report.decision}, {new} is {self.new.report.decision}"
        if not self.new.report.candidate:
            alone += f"; {new} is no candidate for going live"
        what = "check and scenario" if self.compared == 1 else "checks and scenarios"
        ran = f"{self.compared} {what} ran on both: {listed or 'no differences'}."
        return [self._first_sentence, ran, f"{alone}."]

    @property
    def _first_sentence(self) -> str:
        old, new = self.names
        if self.go:
            out = ", and ".join(filter(None, (self.new.report.left_out, self._need_a_program)))
            part = (
                f" of the {'selected' if self.new.report.left_out else 'comparable'} part only, without {out}"
            )
            passes = f"what passes on {old} passes on {new}{self._exceptions}"
            return f"GO for the upgrade{part if out else ''}: {passes}."
        parts = [
            self._counted("newly failing", f"pass on {old} fail on {new}", f"passes on {old} fails on {new}"),
            self._counted(
                "newly known",
                f"pass on {old} are known blockers on {new}",
                f"passes on {old} is a known blocker on {new}",
            ),
            self._counted(
                "no longer run",
                f"run on {old} are not run on {new}",
                f"runs on {old} is not run on {new}",
                "blocking ",
            ),
        ]
        apart = f"; not comparable: {self._need_a_program}" if self._need_a_program else ""
        return f"NO-GO for the upgrade: {', '.join(filter(None, parts))}{apart}."

    @property
    def _need_a_program(self) -> str:
        """`2 checks and 1 scenario that need a program`: what a URL cannot run; empty without any."""
        kinds = Counter(one.kind for one in self.differences if one.change == "not comparable")
        return f"{_things(kinds)} that {'needs' if kinds.total() == 1 else 'need'} a program" if kinds else ""

    @property
    def _exceptions(self) -> str:
        """What passed and does not pass now, without being a reason for NO-GO."""
        worse = [
            one
            for one in self.differences
            if one.old == "passed" and one.new != "passed" and one.change != "not comparable"
        ]
        return f" or does not block ({_numbers(worse)})" if worse else ""

    def _counted(self, change: Change, many: str, one: str, adjective: str = "") -> str:
        """`2 checks and 1 scenario that pass on 0.8.1 fail on 0.9.2`; empty where there is none."""
        kinds = Counter(found.kind for found in self.differences if found.counts and found.change == change)
        return f"{_things(kinds, adjective)} that {one if kinds.total() == 1 else many}" if kinds else ""

    @property
    def tables(self) -> dict[str, list[list[Difference]]]:
        """By capability, what counts first: together what differs in name and numbers only."""
        grouped: dict[str, dict[object, list[Difference]]] = defaultdict(lambda: defaultdict(list))
        for one in sorted(self.differences, key=_order):
            cause = comparable(one.reason)
            key = (one.change, one.severity, one.old, one.new, cause, one.source, one.counts, one.note)
            grouped[one.capability][key].append(one)
        return {name: list(reasons.values()) for name, reasons in grouped.items()}


def compare(old: FinishedRun, new: FinishedRun, known_issues: KnownIssues) -> Comparison:
    """Raises `SettingsError` in one line when the runs cannot be compared."""
    _require_comparable(old, new)
    before, after = _results(old), _results(new)
    accepted = {entry.id for entry in new.report.accepted}
    differences, compared = [], 0
    for key in dict.fromkeys([*before, *after]):
        was, now = _result(key, before, after), _result(key, after, before)
        if was is None or now is None:
            continue
        compared += "not run" not in (was.state, now.state)
        if was.state != now.state:
            chance = _fails_by_chance(key[1], ((old, was), (new, now)), known_issues)
            differences.append(_difference(key, was, now, accepted=key[1] in accepted, by_chance=chance))
    if not compared:
        raise SettingsError(f"nothing ran on both {old.folder} and {new.folder}: nothing can be compared")
    return Comparison(old, new, tuple(differences), compared, measured_changes(old, new))


def write_comparison(comparison: Comparison, folder: Path) -> tuple[Path, Path]:
    """The page and the Markdown."""
    sides = [
        (run, name, _link(run.folder, folder))
        for run, name in zip((comparison.old, comparison.new), comparison.names, strict=True)
    ]
    values = {"comparison": comparison, "sides": sides}
    page = write_atomically(folder / PAGE, render(PAGE, **values).encode())
    return page, write_atomically(folder / TEXT, render(TEXT, **values).encode())


def comparison_text(comparison: Comparison) -> str:
    """For the terminal."""
    return redact(render("comparison.txt", comparison=comparison))


def _link(reports: Path, folder: Path) -> str:
    """From the page to the report of a run, or to its folder where it has no page."""
    target = reports / "index.html" if (reports / "index.html").is_file() else reports
    try:
        return Path(os.path.relpath(target.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive of Windows
        return target.resolve().as_uri()


def _things(kinds: Counter[str], adjective: str = "") -> str:
    """`2 checks and 1 scenario`."""
    return " and ".join(
        counted(kinds[kind], f"{adjective}{kind}") for kind in ("check", "scenario") if kinds[kind]
    )


def _numbers(differences: Iterable[Difference], *, counting: bool = False) -> str:
    """`2 newly failing, 1 newly run`; `counting`: `230 newly known (218 count)`, where not all do."""
    found = [*differences]
    numbers = Counter(one.change for one in found)
    count = Counter(one.change for one in found if one.counts)
    shown = {
        change: f" ({count[change] or 'none'} count{'' if count[change] > 1 else 's'})"
        if counting and change in REASONS and count[change] != numbers[change]
        else ""
        for change in CHANGES
    }
    return ", ".join(f"{numbers[change]} {change}{shown[change]}" for change in CHANGES if numbers[change])


def _order(one: Difference) -> tuple[bool, int, int]:
    return (not one.counts, CHANGES.index(one.change), rank(one.severity))


def _require_comparable(old: FinishedRun, new: FinishedRun) -> None:
    if old.folder.resolve() == new.folder.resolve():
        raise SettingsError(f"OLD and NEW are the same run: {old.folder}")
    if old.report.suite != new.report.suite:
        raise SettingsError(
            f"the runs are of different suites: {old.folder} of {old.report.suite!r}, {new.folder} of "
            f"{new.report.suite!r}"
        )
    for run, only in ((old, old.features - new.features), (new, new.features - old.features)):
        if only:
            more = f" and {len(only) - 1} more" if len(only) > 1 else ""
            raise SettingsError(
                f"the runs have different selections: only {run.folder} has {min(only)}{more}"
            )
    for name in _SELECTING:
        if (one := old.report.setting(name)) != (other := new.report.setting(name)):
            raise SettingsError(f"the runs have different selections: {name} is {one!r} and {other!r}")
    if (old.report.gate == "strict") != (new.report.gate == "strict"):
        raise SettingsError(
            f"the runs have different gates: {old.report.gate} and {new.report.gate}; `strict` knows no "
            "known issues"
        )


def _results(run: FinishedRun) -> dict[Key, Result]:
    """Each check and each scenario; of several runs the worst result."""
    found: dict[Key, Result] = {}
    for report in run.reports:
        explained = {row.scenario for row in report.tests if row.kind == "check" and row.verdict != "passed"}
        for row in report.tests:
            state = _STATES.get(row.verdict, "not run")
            reason, source = (row.error, "") if state == "failed" else (row.reason, row.reason_source)
            in_checks = row.kind == "scenario" and row.name in explained
            result = Result(row, state, reason, source or row.source, in_checks)
            known = found.setdefault((row.kind, row.name), result)
            if _WORST.index(state) < _WORST.index(known.state):
                found[row.kind, row.name] = result
    return found


def _result(key: Key, one: Mapping[Key, Result], other: Mapping[Key, Result]) -> Result | None:
    """The result on one side, where it may be missing; None: another row has it.

    A scenario that its checks explain counts as passed, unless it is not run on the other side: then it
    stands for its checks.
    """
    found, counterpart = one.get(key), other.get(key)
    if found is not None:
        alone = counterpart is None or counterpart.state == "not run"
        return replace(found, state="passed") if found.in_checks and not alone else found
    assert counterpart is not None
    row = counterpart.row
    scenario = one.get(("scenario", row.scenario))
    if scenario is not None and not scenario.in_checks and scenario.state in ("failed", "not run"):
        # The scenario failed before its checks, or was skipped.
        less_severe = rank(row.severity) >= rank(scenario.row.severity)
        return None if scenario.state == "failed" or less_severe else replace(scenario, row=row)
    # What fails outside of scenarios has a row only where it failed.
    inside = row.kind == "check" or row.feature_file
    return Result(row, "not run", "it is not in this run") if inside else Result(row, "passed")


def _difference(key: Key, old: Result, new: Result, *, accepted: bool, by_chance: bool) -> Difference:
    severity = new.row.severity
    change = _change(old.state, new)
    bad = (
        (change == "newly failing" and old.state == "passed")
        or (change == "newly known" and old.state == "passed" and severity == "blocker")
        or (change == "no longer run" and severity == "blocker")
    )
    accepted = accepted and new.state in ("failed", "known issue")
    note = "accepted" if accepted else "fails by chance on both" if by_chance else ""
    note = "needs a program" if change == "not comparable" else note
    # Of what passes now, why it did not before.
    shown = new if new.state != "passed" else old
    return Difference(
        kind=key[0],
        name=key[1],
        title=new.row.title,
        capability=new.row.capability,
        change=change,
        severity=severity,
        old=old.state,
        new=new.state,
        reason=shown.reason,
        source=shown.source,
        counts=bad and not note,
        note=note,
    )


def _change(old: State, new: Result) -> Change:
    if new.state == "not run":
        # Not what is missing, or skipped for another reason: it could be run.
        needs_program = NEEDS_PROGRAM in new.row.tags and new.reason.startswith(TARGET_IS_URL)
        return "not comparable" if needs_program else "no longer run"
    if old == "not run":
        return "newly run"
    names: Mapping[State, Change] = {"failed": "newly failing", "known issue": "newly known"}
    return names.get(new.state, "newly passing")


def _fails_by_chance(
    name: str, sides: Sequence[tuple[FinishedRun, Result]], known_issues: KnownIssues
) -> bool:
    """Whether one side is a known issue, and the other one, which passed, has it as a flaky one."""
    if {result.state for _, result in sides} != {"passed", "known issue"}:
        return False
    environment = next(run for run, result in sides if result.state == "passed").report.environment
    programs = (environment.get(name, "") for name in ("target", "Ollama API"))
    components = [found for text in programs for found in _COMPONENT.findall(text)]
    return any(entry.flaky for entry in known_issues.find(components, name).entries)
