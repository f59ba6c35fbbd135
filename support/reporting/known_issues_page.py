"""`known-issues.html`: what is known to fail on the target, by reason, with the commands that show it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from packaging.version import Version

from support.results.decision import Cause, Finding, causes
from support.results.known_issues import KnownIssue
from support.results.rerun_command import rerun_command


@dataclass(frozen=True)
class KnownIssueGroup:
    """Checks and scenarios that fail for one reason.

    `versions`: the versions with the issue, as `known_issues.toml` lists them (`mistralrs >=0.8.1`);
    `first_version`: the earliest of these.
    """

    cause: Cause
    versions: tuple[str, ...]
    first_version: str

    def commands(self) -> list[tuple[Finding, str]]:
        """Each check or scenario with the command that reproduces it: without the list, it fails."""
        return [(finding, _reproduce(finding)) for finding in self.cause.findings]


def known_issue_groups(
    findings: Sequence[Finding], entries: Sequence[KnownIssue], programs: Collection[str]
) -> list[KnownIssueGroup]:
    """The known issues of a run, the most severe first.

    `entries` of `known_issues.toml` have the versions; `programs`: the names of those under test.
    """
    return [
        _group(cause, [entry for entry in entries if entry.target in programs and _lists(entry, cause)])
        for cause in causes([finding for finding in findings if finding.known])
    ]


def _lists(entry: KnownIssue, cause: Cause) -> bool:
    names = {finding.id for finding in cause.findings}
    return entry.reason in cause.reason and (entry.check or entry.scenario) in names


def _group(cause: Cause, entries: Sequence[KnownIssue]) -> KnownIssueGroup:
    versions = dict.fromkeys(f"{entry.target} {entry.limits}".rstrip() for entry in entries)
    lowest = {
        Version(limit.version.removesuffix(".*")): entry.target
        for entry in entries
        for limit in entry.versions
        if limit.operator in ("==", ">=", "~=")
    }
    first = f"{lowest[min(lowest)]} {min(lowest)}" if lowest else ""
    return KnownIssueGroup(cause, tuple(versions), first)


def _reproduce(finding: Finding) -> str:
    is_scenario = finding.id == finding.scenario
    selection = [finding.location] if is_scenario else ["--case", finding.id]
    return rerun_command(*selection, gate="strict")
