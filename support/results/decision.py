"""Whether the target may go live: what failed in a run, and what of it counts (docs/severities.md).

The gate decides what counts. `release`: every unlisted failure, and every known issue of severity `blocker`.
`regression`: unlisted failures only. `strict`: every failure; a known issue is a failure that is listed.
What `accepted.toml` lists does not count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from support.results.accepted_issues import AcceptedIssue, AcceptedIssues
from support.results.causes import comparable
from support.results.check import CheckResult
from support.results.record import UNRESPONSIVE, Record
from support.results.safe_text import counted
from support.results.severity import SEVERITIES, Severity, rank

Gate = Literal["release", "regression", "strict"]
# The tag of scenarios that run on request only: a whole run has none of them.
SLOW = "slow"


@dataclass(frozen=True)
class Finding:
    """A check or a scenario that failed or was not run.

    `id`: of the check, or the title of the scenario. `reason`: that of the known issue, or what was received,
    or why it was not run; `source`: where the known issue is documented. `scenario` and `location` are where
    it ran. `cause`: why it failed, where the suite knows it. `listed`: it counts under the gate `strict`
    although `known_issues.toml` has it.
    """

    id: str
    title: str
    severity: Severity
    known: bool
    reason: str
    source: str
    scenario: str
    location: str
    accepted: AcceptedIssue | None = None
    cause: str = ""
    listed: bool = False


@dataclass(frozen=True)
class Cause:
    """Findings with the same reason: known issues with the same text, failures with the same cause.

    `not_run`: what could not be run for it.
    """

    reason: str
    source: str
    severity: Severity
    known: bool
    findings: tuple[Finding, ...]
    not_run: tuple[Finding, ...] = ()

    @property
    def standing(self) -> str:
        """`known issue`, `listed` (a known issue under the gate `strict`) or `unlisted`."""
        if self.known:
            return "known issue"
        return "listed" if all(finding.listed for finding in self.findings) else "unlisted"

    @property
    def dependants(self) -> tuple[Finding, ...]:
        """All that stands below it: what failed, then what was not run."""
        return (*self.findings, *self.not_run)

    @property
    def extent(self) -> str:
        """`3 failures, 12 not run`."""
        failures = counted(len(self.findings), "failure")
        return f"{failures}, {len(self.not_run)} not run" if self.not_run else failures


@dataclass(frozen=True)
class Decision:
    """What failed, and what of it counts under the gate.

    `stale`: ids that are accepted and passed. `not_run`: blockers that were not run. `unselected`: how many
    scenarios a whole run has and this one has not. `out_of_scope`: how many `acceptance_scope` leaves out.
    `earlier_no_go`: the numbers of the runs of `--iterations` before this one that are NO-GO; `differing`:
    what has another verdict in one of them. `changed`: what is accepted, and failed in another way.
    `dependants`: what was not run for the cause of a finding.
    """

    gate: Gate
    findings: tuple[Finding, ...] = ()
    not_run: tuple[Finding, ...] = ()
    stale: tuple[str, ...] = ()
    unselected: int = 0
    dependants: tuple[Finding, ...] = ()
    out_of_scope: int = 0
    earlier_no_go: str = ""
    differing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def blockers(self) -> tuple[Finding, ...]:
        """What stands against going live."""
        return tuple(
            finding
            for finding in self.findings
            if finding.accepted is None
            and (not finding.known or (self.gate == "release" and finding.severity == "blocker"))
        )

    @property
    def accepted(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.accepted is not None)

    @property
    def known_issues(self) -> dict[Severity, int]:
        """The number of known issues of each severity, the most severe first, without what is accepted."""
        counted = Counter(one.severity for one in self.findings if one.known and one.accepted is None)
        return {severity: counted[severity] for severity in SEVERITIES if counted[severity]}

    @property
    def acceptance(self) -> str:
        """`until 2026-12-31, owner ops`, of all that is accepted and not known: the first date."""
        entries = [one.accepted for one in self.accepted if one.accepted is not None and not one.known]
        if not entries:
            return ""
        owners = ", ".join(dict.fromkeys(entry.owner for entry in entries))
        return f"until {min(entry.until for entry in entries)}, owner {owners}"

    @property
    def unlisted(self) -> list[Finding]:
        """What failed and is neither known nor accepted."""
        return [finding for finding in self.findings if not finding.known and finding.accepted is None]

    def marked(self, record: Record) -> Record:
        """The record as reports show it: what is accepted and fails is `accepted`, with who accepted it."""
        entries = {
            finding.id: str(finding.accepted)
            for finding in self.accepted
            if finding.location == record.location and not finding.known
        }
        checks = tuple(
            replace(check, status="accepted", reason=entries[check.id])
            if check.status == "failed" and check.id in entries
            else check
            for check in record.checks
        )
        if record.gates and self.accepts(record):
            record = replace(record, status="accepted", reason="; ".join(dict.fromkeys(entries.values())))
        return replace(record, checks=checks)

    def accepts(self, record: Record) -> bool:
        """Whether everything that failed in a scenario is accepted."""
        its = [finding for finding in self.findings if finding.location == record.location]
        return bool(its) and all(finding.accepted is not None for finding in its if not finding.known)


def decide(
    records: Sequence[Record],
    gate: Gate,
    accepted: AcceptedIssues,
    flaky: Collection[str] = (),
    unselected: Sequence[Record] = (),
) -> Decision:
    """`flaky`: ids of known issues that may pass as well: an accepted one is not stale then.

    `unselected`: scenarios that were not selected, as skipped records.
    """
    lost = {line: record.error for record in records for line in _unanswered(record)}
    findings = [_of_lost(one, lost) for record in records for one in _findings(record, accepted)]
    if gate == "strict":
        listed = {(record.location, record.name) for record in records if record.known_in}
        listed |= {
            (record.location, check.id) for record in records for check in record.checks if check.known_in
        }
        findings = [replace(one, listed=(one.location, one.id) in listed) for one in findings]
    found = {_reason(finding) for finding in findings if not finding.known}
    skipped = [finding for record in records for finding in _not_run(record)]
    passed = {*_passed(records)} - {finding.id for finding in findings} - {*flaky}
    return Decision(
        gate,
        tuple(sorted(findings, key=lambda finding: rank(finding.severity))),
        tuple(
            finding
            for finding in (*skipped, *(one for record in unselected for one in _not_run(record)))
            if finding.severity == "blocker"
        ),
        tuple(entry.id for entry in accepted.entries if entry.id in passed),
        sum(SLOW not in record.tags for record in unselected),
        tuple(finding for finding in skipped if _reason(finding) in found),
        sum(record.status == "out_of_scope" for record in records),
        changed=tuple(
            dict.fromkeys(one.id for one in findings if one.accepted is None and accepted.find(one.id))
        ),
    )


def causes(findings: Sequence[Finding], dependants: Sequence[Finding] = ()) -> list[Cause]:
    """The findings by reason: the most severe first, then what most findings have.

    Unlisted failures have one cause when their field `cause`, or without it the first line of what was
    received, is the same text apart from ports, ids, times, folders and numbers. `dependants`: what was not
    run, each for one of these causes.
    """
    grouped: Mapping[tuple[str, str, bool], list[Finding]] = defaultdict(list)
    for finding in findings:
        reason = finding.reason if finding.known else _reason(finding)
        grouped[reason, finding.source, finding.known].append(finding)
    found = [
        Cause(
            those[0].cause or those[0].reason,
            source,
            min((one.severity for one in those), key=rank),
            known,
            tuple(those),
            () if known else tuple(one for one in dependants if _reason(one) == reason),
        )
        for (reason, source, known), those in grouped.items()
    ]
    return sorted(found, key=lambda cause: (rank(cause.severity), -len(cause.findings)))


def severity_of_check(record: Record, check: CheckResult) -> Severity:
    """Its own, or that of its scenario; what is only sensible (level `should`) is `normal` at most."""
    if check.severity is not None:
        return check.severity
    if check.level == "should":
        return max(record.severity, "normal", key=rank)
    return record.severity


def _findings(record: Record, accepted: AcceptedIssues) -> Iterator[Finding]:
    failed = [check for check in record.checks if check.status == "failed"]
    known = [check for check in record.checks if check.status == "known_issue"]
    for check in (*failed, *known):
        is_known = check.status == "known_issue"
        yield Finding(
            id=check.id,
            title=check.title,
            severity=severity_of_check(record, check),
            known=is_known,
            reason=check.reason if is_known else check.actual,
            source=check.reason_source if is_known else "",
            scenario=record.name,
            location=record.location,
            accepted=_accepted(accepted, check.id, check.actual, known=is_known),
            cause="" if is_known else check.cause,
        )
    # Who accepts a check does not accept what failed beside it: a cleanup, a time limit, a killed worker.
    if (record.gates and not (failed and record.by_checks)) or (record.status == "known_issue" and not known):
        is_known = record.status == "known_issue"
        entry = _accepted(accepted, record.name, record.error, known=is_known)
        yield _scenario(record, known=is_known, accepted=entry)


def _accepted(accepted: AcceptedIssues, name: str, failure: str, *, known: bool) -> AcceptedIssue | None:
    entry = accepted.find(name)
    return entry if entry is not None and entry.covers(failure, known=known) else None


def _scenario(record: Record, *, known: bool, accepted: AcceptedIssue | None = None) -> Finding:
    return Finding(
        id=record.name,
        title=record.name,
        severity=record.severity,
        known=known,
        reason=record.error if record.gates else record.reason,
        source=record.source if known else "",
        scenario=record.name,
        location=record.location,
        accepted=accepted,
        cause="" if known else record.cause,
    )


def _reason(finding: Finding) -> str:
    """Equal for all that fails, or is not run, for the same cause."""
    return comparable(finding.cause or finding.reason)


def _unanswered(record: Record) -> list[str]:
    """The requests after which a server was given up: one line each."""
    return record.trace.splitlines() if record.name == UNRESPONSIVE else []


def _of_lost(finding: Finding, lost: Mapping[str, str]) -> Finding:
    """With the cause, where it was such a request: it was not known yet. `lost`: each line, and the cause."""
    if finding.known or finding.cause:
        return finding
    return replace(finding, cause=next((cause for line, cause in lost.items() if line in finding.reason), ""))


def _not_run(record: Record) -> Iterator[Finding]:
    skipped = [check for check in record.checks if check.status in ("unsupported", "not_run")]
    for check in skipped:
        yield Finding(
            id=check.id,
            title=check.title,
            severity=severity_of_check(record, check),
            known=False,
            reason=check.reason,
            source=check.reason_source,
            scenario=record.name,
            location=record.location,
        )
    if record.status == "skipped" and not skipped:
        yield _scenario(record, known=False)


def _passed(records: Sequence[Record]) -> Iterator[str]:
    for record in records:
        yield from (check.id for check in record.checks if check.status == "passed")
        if record.status == "passed":
            yield record.name
