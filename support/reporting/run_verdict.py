"""The verdict of a run as reports show it: GO or NO-GO, why, and what it is based on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from support.errors import (
    EXIT_BUDGET,
    EXIT_HARNESS,
    EXIT_INTERRUPTED,
    EXIT_NOTHING_SELECTED,
    EXIT_PASSED,
    EXIT_TERMINATED,
)
from support.reporting.behave_events import capability_title
from support.reporting.summary import CapabilityTime
from support.results.decision import Cause, Decision, Finding, causes
from support.results.safe_text import counted, left_out, one_line
from support.units import JsonObject

# In the decision; the lists below it, and report.json, have all.
SHOWN_CHARACTERS = 120
_REASONS = {
    EXIT_NOTHING_SELECTED: "every selected scenario was skipped, nothing was checked",
    EXIT_HARNESS: "the harness failed, see the messages above",
    EXIT_INTERRUPTED: "interrupted",
    EXIT_TERMINATED: "terminated",
}


@dataclass(frozen=True)
class RunVerdict:
    """GO or NO-GO for `target`.

    `candidate`: False for the reference server, which goes live nowhere. `evidence`: where the evidence of
    failures is. `unwritten`: the reports that could not be written. `version_unknown`: why no known
    issue applies, with the remedy; empty where the version of the target is known.
    """

    target: str
    exit_code: int
    decision: Decision
    times: Sequence[CapabilityTime] = ()
    candidate: bool = True
    evidence: Path = Path("reports/evidence")
    accepted_file: Path = Path("accepted.toml")
    version_unknown: str = ""
    unwritten: Sequence[str] = ()

    @property
    def go(self) -> bool:
        return self.exit_code == EXIT_PASSED

    @property
    def word(self) -> str:
        return "GO" if self.go else "NO-GO"

    @property
    def headline(self) -> str:
        """For a title: what the word is about."""
        part = " for the selected part only" if self.go and self._left_out else ""
        return f"{self.word}{part}: {self.target}"

    @property
    def late(self) -> list[str]:
        """The capabilities over their maximum time."""
        return [capability_title(time.capability) for time in self.times if time.is_late]

    @property
    def reasons(self) -> list[str]:
        """Why the run is red apart from its scenarios: time, the harness, too little that was run."""
        late = self.late
        found = [f"over the maximum time: {', '.join(late)}"] if late else []
        found += [
            f"{self.accepted_file} accepts {name!r}, which passed; remove the entry"
            for name in self.decision.stale
        ]
        found += [
            f"{self.accepted_file} accepts {name!r}, but not this failure of it"
            for name in dict.fromkeys(finding.id for finding in self.decision.blockers)
            if name in self.decision.changed
        ]
        if earlier := self.decision.earlier_no_go:
            found.append(f"NO-GO in an earlier run of `--iterations` (number {earlier})")
        if differing := self.decision.differing:
            number = counted(len(differing), "verdict")
            found.append(
                f"{number} with another result in an earlier run of `--iterations` ({differing[0]!r})"
            )
        if not late and self.exit_code == EXIT_BUDGET:
            found.append("a scenario exceeded its time limit")
        if self.unwritten:
            return [*found, f"could not be written: {', '.join(self.unwritten)}"]
        return found + ([_REASONS[self.exit_code]] if self.exit_code in _REASONS else [])

    @property
    def causes(self) -> list[Cause]:
        """What stands against going live, by reason."""
        return causes(self.decision.blockers, self.decision.dependants)

    @property
    def sentences(self) -> list[str]:
        """The decision in at most three sentences."""
        return [self._first_sentence, *self._details()][:3]

    @property
    def text(self) -> str:
        return " ".join(self.sentences)

    @property
    def short_reason(self) -> str:
        """For the last line of the terminal; empty for a run that has failed scenarios or is GO."""
        parts = list(self.reasons)
        if self.decision.gate == "release" and (known := self._known_blockers):
            parts.append(counted(len(known), "known blocker"))
        return "; ".join(parts)

    @property
    def _known_blockers(self) -> list[Finding]:
        return [finding for finding in self.decision.blockers if finding.known]

    @property
    def _first_sentence(self) -> str:
        gate = f"(gate: {self.decision.gate})"
        if self.go:
            if left := self._left_out:
                return f"GO for the selected part only, without {left}: {self.target} {gate}."
            if not self.candidate:
                return f"GO: {self.target} has no unlisted failure {gate}; it is no candidate for going live."
            if self.decision.gate == "regression":
                return f"GO: {self.target} has no unlisted failure {gate}{self._for_release}."
            return f"GO: {self.target} may go live {gate}."
        why = [counted(len(known), "known blocker")] if (known := self._known_blockers) else []
        for word, listed in (("listed", True), ("unlisted", False)):
            new = [
                [one for one in cause.findings if one.listed is listed]
                for cause in self.causes
                if not cause.known
            ]
            if count := sum(map(len, new)):
                why.append(
                    f"{counted(count, f'{word} failure')}{self._of_causes(count, sum(map(bool, new)))}"
                )
        why += self.reasons
        return f"NO-GO: {self.target} must not go live {gate}: {', '.join(why) or 'the run failed'}."

    @property
    def _left_out(self) -> str:
        """What a whole run has and this one has not, by selection or scope."""
        return left_out(self.decision.unselected, self.decision.out_of_scope)

    @property
    def _for_release(self) -> str:
        """What stands against going live although nothing of it counts under this gate."""
        blockers = self.decision.known_issues.get("blocker", 0)
        return (
            f"; under the gate release {counted(blockers, 'known blocker')} would count" if blockers else ""
        )

    @staticmethod
    def _of_causes(failures: int, roots: int) -> str:
        return f" ({counted(roots, 'cause')})" if roots < failures else ""

    def _details(self) -> list[str]:
        unknown = [f"{self.version_unknown}."] if self.version_unknown else []
        if found := self.causes:
            source = f" ({found[0].source})" if found[0].source else ""
            names = list(dict.fromkeys(finding.id for finding in found[0].findings))
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            cause = (
                f"First cause: {one_line(found[0].reason, SHOWN_CHARACTERS)}{source}, "
                f"in {one_line(names[0], SHOWN_CHARACTERS)}{more}"
            )
            return [
                f"{cause}; evidence: {self.evidence}.",
                *unknown,
                "`acceptance accept ID` accepts a failure.",
            ]
        numbers = [f"{number} {severity}" for severity, number in self.decision.known_issues.items()]
        # The lines below count the scenarios, too: one with several such checks is one there.
        subjects = "known issues, checks and scenarios without checks"
        parts = [f"{subjects}: {', '.join(numbers)}"] if numbers else []
        parts += [f"accepted: {len(self.decision.accepted)}"] if self.decision.accepted else []
        if not_run := self.decision.not_run:
            parts.append(f"not run: {counted(len(not_run), 'blocker')} ({_most_frequent(not_run)})")
        return [*([f"{_capitalized('; '.join(parts))}."] if parts else []), *unknown]

    def to_json(self) -> JsonObject:
        """The fields of `report.json`."""
        return {
            "decision": self.word,
            "text": self.text,
            "subject": self.target,
            "gate": self.decision.gate,
            "candidate": self.candidate,
            "exit_code": self.exit_code,
            "reasons": self.reasons,
            "unselected": self.decision.unselected,
            "out_of_scope": self.decision.out_of_scope,
            "blockers": [_finding(finding) for finding in self.decision.blockers],
            "causes": [_cause(cause) for cause in self.causes],
            "accepted": [
                {**_finding(finding), "accepted": _accepted(finding)} for finding in self.decision.accepted
            ],
            "not_run": [_finding(finding) for finding in self.decision.not_run],
            "known_issues_by_severity": dict(self.decision.known_issues),
            "budgets": [{**asdict(time), "result": time.result} for time in self.times],
        }


def _most_frequent(not_run: Sequence[Finding]) -> str:
    """Why most of them were not run, and how many have other reasons."""
    reasons = Counter(one_line(finding.reason, SHOWN_CHARACTERS) for finding in not_run)
    ((reason, number),) = reasons.most_common(1)
    others = len(not_run) - number
    return f"{number}: {reason}; {others}: other reasons" if others else reason


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cause(cause: Cause) -> JsonObject:
    return {
        "cause": cause.reason,
        "source": cause.source,
        "severity": cause.severity,
        "known": cause.known,
        "dependants": [{"id": one.id, "location": one.location} for one in cause.findings],
        "not_run": [{"id": one.id, "location": one.location} for one in cause.not_run],
    }


def _finding(finding: Finding) -> JsonObject:
    return {name: value for name, value in asdict(finding).items() if name != "accepted"}


def _accepted(finding: Finding) -> Mapping[str, str]:
    entry = finding.accepted
    return {} if entry is None else {"reason": entry.reason, "owner": entry.owner, "until": str(entry.until)}
