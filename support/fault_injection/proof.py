"""Which faults a run of the suite detected: the verdict about each, and the bound of the rate."""

from __future__ import annotations

import enum
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from support.errors import COMPLETE_CODES, EXIT_FAILED, EXIT_HARNESS, EXIT_USAGE
from support.fault_injection.catalogue import HARMLESS, HARNESS, CatalogueFault
from support.fault_injection.fault_notes import APPLIED, NOTES
from support.reporting.files import REPORT

CONFIDENCE = 0.95
SHOWN_CHARACTERS = 300


class Detection(enum.StrEnum):
    """What a run made of a fault."""

    EXPECTED = "detected"
    OTHER = "detected by another check"
    UNNAMED = "not named"
    MISSED = "missed"
    HARNESS = "harness broken"
    NOT_INJECTED = "not injected"
    NOT_APPLICABLE = "not applicable"
    FALSE_ALARM = "false alarm"
    NO_ALARM = "no alarm"

    @property
    def counts(self) -> bool:
        """Whether the fault counts as detected."""
        return self in (Detection.EXPECTED, Detection.OTHER)


@dataclass(frozen=True)
class RunResult:
    """A finished run: exit code, verdict and message of each check and scenario, the end of its output."""

    exit_code: int
    verdicts: Mapping[str, str] = field(default_factory=dict)
    messages: Mapping[str, str] = field(default_factory=dict)
    output: str = ""
    seconds: float = 0.0
    # What the program in front of the server has noted.
    notes: tuple[str, ...] = ()
    # Whether it ended by itself, not at the limit of its time.
    is_whole: bool = True

    @classmethod
    def read(cls, folder: Path, exit_code: int, output: str, seconds: float) -> RunResult:
        """From the folder of its reports."""
        file = folder / REPORT
        tests: list[dict[str, Any]] = []
        if file.is_file():
            tests = json.loads(file.read_text(encoding="utf-8"))["tests"]
        # A group fails with its checks, which are named one by one.
        groups = {test.get("scenario") for test in tests if test["verdict"] == "failed"}
        tests = [test for test in tests if test["kind"] == "check" or test["name"] not in groups]
        return cls(
            exit_code,
            {test["name"]: test["verdict"] for test in tests},
            {
                test["name"]: str(test.get("actual") or test.get("error") or test.get("reason") or "")
                for test in tests
            },
            output,
            seconds,
            tuple(line for notes in folder.glob(f"*{NOTES}") for line in notes.read_text().splitlines()),
        )

    @property
    def is_complete(self) -> bool:
        """Whether it has judged all that it was to."""
        return self.is_whole and self.exit_code in COMPLETE_CODES

    def failed(self) -> list[str]:
        """What failed: checks, and scenarios that run none of those."""
        return [name for name, verdict in self.verdicts.items() if verdict == "failed"]

    def judged(self) -> int:
        """How many checks and scenarios it has judged."""
        return sum(verdict not in ("skipped", "not_run", "unsupported") for verdict in self.verdicts.values())

    def of_those_that_pass(self, healthy: RunResult) -> RunResult:
        """Without the failures of what does not pass without the fault either."""
        kept = {
            name: verdict
            for name, verdict in self.verdicts.items()
            if verdict != "failed" or healthy.verdicts.get(name) == "passed"
        }
        return replace(self, verdicts=kept)


@dataclass(frozen=True)
class FaultResult:
    """The verdict about one fault. `by`: what detected it; `message`: of that, or what there was instead.

    `others`: how many other checks and scenarios of its capability were run, since the expected ones did not
    detect it; `all_others`: all that the target can run, not those until a limit of time.
    `runs`: of a harmless variant, `alarms` of them with a false alarm."""

    fault: CatalogueFault
    detection: Detection
    by: tuple[str, ...] = ()
    message: str = ""
    seconds: float = 0.0
    others: int = 0
    all_others: bool = False
    runs: int = 1
    alarms: int = 0

    @property
    def needs_others(self) -> bool:
        """Whether the other checks of its capability may still detect it."""
        if self.fault.capability in (HARMLESS, HARNESS):
            return False
        undecided = (Detection.MISSED, Detection.UNNAMED, Detection.NOT_INJECTED)
        return self.detection in undecided and not self.all_others


def repeated(before: FaultResult | None, now: FaultResult) -> FaultResult:
    """The verdict about a harmless variant that was run again: a false alarm stays one."""
    if before is None:
        return now
    stays = before.alarms or (before.detection != Detection.NO_ALARM and not now.alarms)
    return replace(
        before if stays else now,
        seconds=before.seconds + now.seconds,
        runs=before.runs + now.runs,
        alarms=before.alarms + now.alarms,
    )


def widened(first: FaultResult, wider: RunResult) -> FaultResult:
    """The better one of two verdicts: that about all checks of the capability, or the one before.

    `wider`: without the failures of what does not pass without the fault (`of_those_that_pass`)."""
    second = of_all_checks(first.fault, wider)
    order = [Detection.NOT_INJECTED, Detection.MISSED, Detection.UNNAMED, Detection.OTHER, Detection.EXPECTED]
    better = second.detection in order and order.index(second.detection) >= order.index(first.detection)
    return replace(
        second if better else first,
        seconds=first.seconds + wider.seconds,
        others=second.others,
        all_others=second.all_others,
    )


def of_all_checks(fault: CatalogueFault, result: RunResult) -> FaultResult:
    """The verdict about a run of all checks of the capability (`of_those_that_pass`)."""
    # At the limit of its time it has judged a part.
    complete = result if result.is_whole else replace(result, exit_code=EXIT_FAILED)
    return replace(
        classify(fault, complete),
        others=max(result.judged() - len(fault.expected), 0),
        all_others=result.is_complete,
    )


def without_fault(fault: CatalogueFault, healthy: RunResult) -> FaultResult | None:
    """The verdict where what has to detect it does not pass without the fault either; else None.

    A known issue, or what the target lacks: the fault shows nothing there. A failure, or a check that was not
    judged, such as one on a busy machine, is no reason to leave the fault out of the rate."""
    for name in (*fault.expected, *fault.recovers):
        verdict = healthy.verdicts.get(name, "not run")
        if verdict != "passed":
            reason = _short(healthy.messages.get(name, ""))
            message = f"{name} is {verdict} without the fault" + (f": {reason}" if reason else "")
            lacks = verdict in ("known_issue", "unsupported", "skipped")
            return FaultResult(
                fault, Detection.NOT_APPLICABLE if lacks else Detection.HARNESS, message=message
            )
    return None


def classify(fault: CatalogueFault, result: RunResult) -> FaultResult:
    """The verdict about a run with the fault, of what passes without it."""
    if fault.capability == HARNESS:
        return _of_harness(fault, result)
    failed = result.failed()
    if errors := [line for line in result.notes if line != APPLIED]:
        return FaultResult(fault, Detection.HARNESS, message=_short(errors[0]), seconds=result.seconds)
    if (fault.http or fault.command) and APPLIED not in result.notes:
        none = f"none of what {result.judged()} checks and scenarios sent or started was one that it is for"
        message = none if result.exit_code in COMPLETE_CODES else _end(result.output)
        return FaultResult(fault, Detection.NOT_INJECTED, message=message, seconds=result.seconds)
    if fault.capability == HARMLESS:
        wrong = [name for name, verdict in result.verdicts.items() if verdict in ("failed", "broken")]
        if wrong or result.exit_code not in COMPLETE_CODES:
            text = "; ".join(result.messages[name] for name in wrong[:2]) or _end(result.output)
            alarm = Detection.FALSE_ALARM
            return FaultResult(fault, alarm, tuple(wrong), _short(text), result.seconds, alarms=1)
        return FaultResult(fault, Detection.NO_ALARM, seconds=result.seconds)
    naming = [name for name in failed if fault.names_problem(result.messages[name])]
    expected = [name for name in fault.expected if name in naming]
    still = [name for name in fault.recovers if result.verdicts.get(name) != "passed"]
    if still:
        text = f"{still[0]} does not pass again: {result.messages.get(still[0], 'it was not run')}"
        return FaultResult(fault, Detection.UNNAMED, tuple(still), _short(text), result.seconds)
    if len(expected) == len(fault.expected):
        message = _short(result.messages[expected[0]])
        return FaultResult(fault, Detection.EXPECTED, tuple(expected), message, result.seconds)
    if naming and len(fault.expected) == 1:
        message = _short(result.messages[naming[0]])
        return FaultResult(fault, Detection.OTHER, tuple(naming), message, result.seconds)
    if failed:
        message = _short(" | ".join(result.messages[name] for name in failed))
        return FaultResult(fault, Detection.UNNAMED, tuple(failed), message, result.seconds)
    if result.exit_code not in COMPLETE_CODES or "broken" in result.verdicts.values():
        # A check that was skipped is not judged, such as a latency on a busy machine.
        broken = tuple(name for name, verdict in result.verdicts.items() if verdict in ("broken", "skipped"))
        text = result.messages[broken[0]] if broken else _end(result.output)
        return FaultResult(fault, Detection.HARNESS, broken, _short(text), result.seconds)
    return FaultResult(fault, Detection.MISSED, seconds=result.seconds)


def _of_harness(fault: CatalogueFault, result: RunResult) -> FaultResult:
    """A broken harness has to be reported as such: no verdict on the target."""
    failed = [name for name, verdict in result.verdicts.items() if verdict == "failed"]
    if failed:
        text = result.messages[failed[0]]
        return FaultResult(fault, Detection.UNNAMED, tuple(failed), _short(text), result.seconds)
    broken = [name for name, verdict in result.verdicts.items() if verdict == "broken"]
    text = " | ".join([*(result.messages[name] for name in broken), result.output])
    if result.exit_code in (EXIT_HARNESS, EXIT_USAGE) or broken:
        found = re.search(fault.message, text)
        kind = Detection.EXPECTED if found else Detection.UNNAMED
        shown = _short(text[found.start() :]) if found else _end(text)
        return FaultResult(fault, kind, tuple(broken), shown, result.seconds)
    return FaultResult(fault, Detection.MISSED, message=_short(text), seconds=result.seconds)


def _short(text: str) -> str:
    return " ".join(text.split())[:SHOWN_CHARACTERS]


def _end(text: str) -> str:
    return " ".join(text.split())[-SHOWN_CHARACTERS:]


def lower_bound(successes: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The exact one-sided lower bound of a rate (Clopper and Pearson, Biometrika 26, 1934)."""
    # Not at the top: its import takes half a second.
    from scipy.stats import beta

    if not trials or not successes:
        return 0.0
    return float(beta.ppf(1 - confidence, successes, trials - successes + 1))


def upper_bound(successes: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The exact one-sided upper bound of a rate."""
    return 1 - lower_bound(trials - successes, trials, confidence)


@dataclass(frozen=True)
class Proof:
    """All verdicts, with what they were found on. `suite`: name and version of this package.

    `every`: the faults were in each N-th exchange."""

    results: Sequence[FaultResult]
    target: str
    date: str
    command: str
    seconds: float
    suite: str
    every: int = 1

    @property
    def injected(self) -> list[FaultResult]:
        """The faults that could be shown on this target."""
        return [
            result
            for result in self.results
            if result.fault.capability != HARMLESS and result.detection != Detection.NOT_APPLICABLE
        ]

    @property
    def detected(self) -> list[FaultResult]:
        """Those that count as detected."""
        return [result for result in self.injected if result.detection.counts]

    @property
    def harmless(self) -> list[FaultResult]:
        """The allowed differences that were tried and judged."""
        judged = (Detection.NO_ALARM, Detection.FALSE_ALARM)
        return [result for result in self.results if result.detection in judged]

    @property
    def false_alarms(self) -> list[FaultResult]:
        """Those that a check failed for."""
        return [result for result in self.harmless if result.detection == Detection.FALSE_ALARM]

    @property
    def is_complete(self) -> bool:
        """Whether all was detected, without a false alarm; of nothing that was tried it says nothing."""
        tried = bool(self.injected or self.harmless)
        broken = any(result.detection == Detection.HARNESS for result in self.results)
        return tried and not broken and len(self.detected) == len(self.injected) and not self.false_alarms

    def by_capability(self) -> dict[str, Counter[Detection]]:
        """How many faults of each capability had which verdict."""
        counts: dict[str, Counter[Detection]] = {}
        for result in self.results:
            counts.setdefault(result.fault.capability, Counter())[result.detection] += 1
        return counts
