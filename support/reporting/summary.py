"""What the records of a run add up to: counts, time by capability, reasons of known issues and skips."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from support.results.check import CheckResult
from support.results.decision import SLOW, Cause, Decision, Finding, causes
from support.results.outcome import PLAIN_STATUS
from support.results.record import Record
from support.results.safe_text import counted, one_line, seconds

Budgets = Mapping[str, tuple[float, float]]
"""Capability -> (target, maximum), in seconds."""

# Where other processes had a larger share of the CPU, times are not those of the target.
CONTENTION_LIMIT = 0.2
OVER_MAXIMUM = "OVER THE MAXIMUM"
ShareOfOthers = Callable[[float, float], float]
"""The share of the CPU that other processes had between two epoch seconds, from 0 to 1."""


@dataclass(frozen=True)
class CapabilityTime:
    """The time of a capability's scenarios and its budget, in seconds; None: it has no budget.

    `others`: the share of the CPU that other processes had meanwhile.
    """

    capability: str
    seconds: float
    target: float | None
    maximum: float | None
    others: float = 0.0

    @property
    def is_late(self) -> bool:
        """Whether it makes the run red."""
        return self.result == OVER_MAXIMUM

    @property
    def result(self) -> str:
        """`ok`, `over the target`, `OVER THE MAXIMUM`, `not evaluated, ...`; empty without a budget."""
        if self.target is None or self.maximum is None:
            return ""
        if self.seconds > self.target and self.others > CONTENTION_LIMIT:
            return f"not evaluated, other processes had {self.others:.0%} of the CPU"
        if self.seconds > self.maximum:
            return OVER_MAXIMUM
        return "over the target" if self.seconds > self.target else "ok"

    @property
    def limits(self) -> str:
        """`target 20 s, maximum 40 s: ok`; empty without a budget."""
        return f"target {self.target:g} s, maximum {self.maximum:g} s: {self.result}" if self.result else ""


def counts(records: Sequence[Record]) -> dict[str, int]:
    """total = passed + failed + skipped; `broken` counts as failed, a known issue as skipped and alone.

    What is accepted counts as failed and alone.
    """
    plain = Counter(PLAIN_STATUS[record.status] for record in records)
    return {
        "total": len(records),
        "passed": plain["passed"],
        "failed": plain["failed"],
        "skipped": plain["skipped"],
        "known_issues": sum(record.status == "known_issue" for record in records),
        "accepted": sum(record.status == "accepted" for record in records),
    }


def checks_of(records: Sequence[Record]) -> list[CheckResult]:
    """The checks of all groups, in the order of their scenarios."""
    return [check for record in records for check in record.checks]


def check_counts(records: Sequence[Record]) -> dict[str, int]:
    """The number of checks, and of each status."""
    each = Counter(check.status for check in checks_of(records))
    return {
        "total": each.total(),
        "passed": each["passed"],
        "failed": each["failed"] + each["accepted"],
        "accepted": each["accepted"],
        "known_issues": each["known_issue"],
        "unsupported": each["unsupported"],
        "not_run": each["not_run"],
    }


def counts_text(records: Sequence[Record], decision: Decision | None = None) -> str:
    """`424 passed, 1 failed, 26 skipped, 66 known issues, 1 accepted`; the last two where there are any.

    With the decision, also until when and by whom it is accepted.
    CI systems look for its form, `N passed, N failed, N skipped`, in the last line of the terminal.
    """
    count = counts(records)
    known, accepted = count["known_issues"], count["accepted"]
    text = (
        f"{count['passed']} passed, {count['failed'] - accepted} failed, {count['skipped'] - known} skipped"
    )
    text += f", {counted(known, 'known issue')}" if known else ""
    if not accepted:
        return text
    terms = f" ({decision.acceptance})" if decision is not None else ""
    return f"{text}, {accepted} accepted{terms}"


def check_counts_text(records: Sequence[Record]) -> str:
    """`860 passed, 3 failed, 10 known issues, 4 unsupported`; empty when no group was run."""
    count = check_counts(records)
    others = [f"{count[name]} {name.replace('_', ' ')}" for name in ("accepted", "unsupported", "not_run")]
    others.insert(0, counted(count["known_issues"], "known issue"))
    shown = [text for text in others if not text.startswith("0 ")]
    if not count["total"]:
        return ""
    failed = count["failed"] - count["accepted"]
    return ", ".join([f"{count['passed']} passed", f"{failed} failed", *shown])


def totals_text(records: Sequence[Record], duration: float) -> str:
    """`125 scenarios, 877 checks in 75.2s`."""
    count, checks = counts(records), len(checks_of(records))
    return f"{_numbers(count['total'], checks) or '0 scenarios'} in {seconds(duration)}"


def capability_seconds(records: Sequence[Record]) -> dict[str, float]:
    """The time of each capability's scenarios, added up: parallel workers do not shorten it.

    The time of the servers that are only compared is not counted: they never make a run red.
    Nor are scenarios that were selected although they are slow: they have budgets of their own.
    """
    times: dict[str, float] = defaultdict(float)
    for record in records:
        if SLOW in record.tags:
            continue
        cells = (cell for check in record.checks for cell in check.cells)
        compared = sum(cell.seconds for cell in cells if not cell.under_test)
        times[record.capability] += max(0.0, record.duration - compared)
    return dict(times)


def contention_by_capability(records: Sequence[Record], share: ShareOfOthers) -> dict[str, float]:
    """The share of the CPU that other processes had while the scenarios of a capability ran."""
    shares: dict[str, float] = defaultdict(float)
    times: dict[str, float] = defaultdict(float)
    for record in records:
        times[record.capability] += record.duration
        shares[record.capability] += record.duration * share(record.start, record.start + record.duration)
    return {name: shares[name] / spent for name, spent in times.items() if spent > 0}


def budgets_of(
    records: Sequence[Record], budgets: Budgets, contention: Mapping[str, float]
) -> list[CapabilityTime]:
    """A row per capability that ran: its time, its budget, and whether it was within it."""
    rows = []
    for name, spent in capability_seconds(records).items():
        target, maximum = budgets.get(name, (None, None))
        rows.append(CapabilityTime(name, spent, target, maximum, contention.get(name, 0.0)))
    return rows


def shared_causes(decision: Decision) -> list[Cause]:
    """The causes of several unlisted failures."""
    unlisted = causes(decision.unlisted, decision.dependants)
    return [cause for cause in unlisted if len(cause.dependants) > 1]


def failed_alone(
    records: Sequence[Record], shared: Sequence[Cause]
) -> list[tuple[Record, list[CheckResult]]]:
    """The failed scenarios with their failed checks, without those that have one of these causes."""
    elsewhere = {(finding.location, finding.id) for cause in shared for finding in cause.findings}
    found = []
    for record in records:
        failed = [check for check in record.checks if check.status == "failed"]
        alone = [check for check in failed if (record.location, check.id) not in elsewhere]
        if record.gates and (alone or (not failed and (record.location, record.name) not in elsewhere)):
            found.append((record, alone))
    return found


def known_issues(decision: Decision) -> list[Cause]:
    """The known issues by reason, the most severe first."""
    return causes([finding for finding in decision.findings if finding.known])


def skip_lines(records: Sequence[Record], dependants: Sequence[Finding] = ()) -> list[str]:
    """`2 scenarios, 31 checks: no route /v1/responses`: a line per reason, the most frequent first.

    Without `dependants`, which stand below their cause.
    """
    scenarios, checks = Counter[str](), Counter[str]()
    elsewhere = {(finding.location, finding.id) for finding in dependants}
    for record in records:
        skipped = [check for check in record.checks if check.status in ("unsupported", "not_run")]
        checks.update(
            one_line(check.reason) for check in skipped if (record.location, check.id) not in elsewhere
        )
        # A group that is skipped has its reasons in its checks.
        alone = (record.location, record.name) not in elsewhere
        if record.status in ("skipped", "out_of_scope") and not skipped and alone:
            scenarios[one_line(record.reason)] += 1
    return [
        f"{_numbers(scenarios[reason], checks[reason])}: {reason}"
        for reason, _ in (scenarios + checks).most_common()
    ]


def _numbers(scenarios: int, checks: int) -> str:
    parts = [counted(scenarios, "scenario")] if scenarios else []
    parts += [counted(checks, "check")] if checks else []
    return ", ".join(parts)
