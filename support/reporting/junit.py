"""JUnit XML made of the result records, a file per feature: behave's own has no reason in `<skipped>`.

The elements and attributes are those that both the schema of Jenkins' xUnit plug-in (junit-10.xsd) and Ant's
readers know: https://github.com/jenkinsci/xunit-plugin
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Literal
from xml.etree import ElementTree

from support.reporting.check_text import failure_message, failure_text, reason_text
from support.reporting.files import write_atomically
from support.reporting.run_verdict import RunVerdict
from support.results.check import CheckResult
from support.results.record import Record
from support.results.safe_text import one_line, visible


@dataclass(frozen=True)
class _Case:
    """A `testcase`: `outcome` is its child element, of the given type, message and text.

    `known_issue`: why it is one, `accepted`: who accepted it, until when and why; it passes then, and
    `output` has the failure.
    """

    name: str
    seconds: float
    outcome: Literal["failure", "error", "skipped"] | None = None
    type: str = ""
    message: str = ""
    text: str = ""
    output: str = ""
    known_issue: str = ""
    accepted: str = ""

    def element(self, classname: str) -> ElementTree.Element:
        case = ElementTree.Element(
            "testcase", classname=classname, name=visible(self.name), time=f"{self.seconds:.3f}"
        )
        if self.outcome is not None:
            child = ElementTree.SubElement(case, self.outcome, message=one_line(self.message, 300))
            child.text = visible(self.text) or None
            if self.type:
                child.set("type", self.type)
        if self.output:
            ElementTree.SubElement(case, "system-out").text = visible(self.output)
        return case


def write_junit(folder: Path, records: Sequence[Record], verdict: RunVerdict) -> list[Path]:
    """`TESTS-<capability>.<feature file>.xml` for each feature; what failed outside stands in one of its own.

    `TESTS-decision.xml` has one case, which fails unless the decision is GO.

    A scenario is a `<testcase>`, and so is each check of its group, after it. A failed one is a `<failure>`
    of the type `failed` or `budget`, a broken one an `<error>` of the type `broken`; an unsupported check is
    skipped, with the reason. A known issue passes: its suite has a property `known_issue` with its
    name and reason, and its own output has the reason and the failure; likewise what is accepted
    (`accepted`). Texts are without secrets and control characters.
    """
    features: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        features[record.location.rpartition(":")[0] or record.location].append(record)
    suites = {_name(file): _suite(_name(file), those) for file, those in features.items()}
    suites["decision"] = _decision(verdict, records)
    return [
        write_atomically(
            folder / f"TESTS-{name}.xml", ElementTree.tostring(suite, "utf-8", xml_declaration=True)
        )
        for name, suite in suites.items()
    ]


def _name(file: str) -> str:
    """`features/binary_health/identity.feature` -> `binary_health.identity`."""
    parts = PurePath(file).with_suffix("").parts
    below = parts[parts.index("features") + 1 :] if "features" in parts else parts
    return ".".join(part for part in below if part not in ("/", ".."))


def _suite(name: str, records: Sequence[Record]) -> ElementTree.Element:
    properties = {
        title: ", ".join(sorted(value for value in values if value))
        for title, values in (
            ("target", {record.target for record in records}),
            ("worker", {record.worker for record in records}),
        )
    }
    first = min(record.start for record in records)
    # The time of a check is part of its scenario's.
    spent = sum(record.duration for record in records)
    cases = [case for record in records for case in _cases(record)]
    return _element(name, records[0].feature, cases, properties, start=first, seconds=spent)


def _decision(verdict: RunVerdict, records: Sequence[Record]) -> ElementTree.Element:
    """It fails for what no scenario shows: known blockers, time, the harness, too little that was run."""
    details = [
        "\n  ".join(
            [
                f"{cause.severity}: {one_line(cause.reason, 300)}",
                *(one.id for one in cause.findings),
                *(f"not run: {one.id}" for one in cause.not_run),
            ]
        )
        for cause in verdict.causes
    ]
    accepted = [f"{finding.id}: {finding.accepted}" for finding in verdict.decision.accepted]
    text = "\n".join([verdict.text, *details, *accepted])
    name = "The decision is GO"
    case = _Case(name, 0.0, output=text)
    if not verdict.go:
        case = _Case(name, 0.0, "failure", "decision", verdict.sentences[0], text)
    properties = {
        "target": verdict.target,
        "gate": verdict.decision.gate,
        "exit_code": str(verdict.exit_code),
        **{
            f"time of {time.capability}": ", ".join(filter(None, [f"{time.seconds:.1f} s", time.limits]))
            for time in verdict.times
        },
    }
    start = min((record.start for record in records), default=0.0)
    return _element("decision", "Decision", [case], properties, start=start, seconds=0.0)


def _element(
    name: str,
    title: str,
    cases: Sequence[_Case],
    properties: Mapping[str, str],
    *,
    start: float,
    seconds: float,
) -> ElementTree.Element:
    outcomes = Counter(case.outcome for case in cases)
    suite = ElementTree.Element(
        "testsuite",
        name=visible(title),
        package=name,
        tests=str(len(cases)),
        errors=str(outcomes["error"]),
        failures=str(outcomes["failure"]),
        skipped=str(outcomes["skipped"]),
        time=f"{seconds:.3f}",
        timestamp=datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
    )
    listed = ElementTree.SubElement(suite, "properties")
    for key, value in properties.items():
        ElementTree.SubElement(listed, "property", name=key, value=visible(value))
    # The schema has no properties of a test case.
    for case in cases:
        for key, reason in (("known_issue", case.known_issue), ("accepted", case.accepted)):
            if reason:
                value = visible(f"{case.name}: {reason}")
                ElementTree.SubElement(listed, "property", name=key, value=value)
    suite.extend(case.element(name) for case in cases)
    return suite


def _cases(record: Record) -> list[_Case]:
    return [_scenario(record), *map(_check, record.checks)]


def _scenario(record: Record) -> _Case:
    name, spent, output = record.name, record.duration, record.output
    if record.gates:
        outcome: Literal["failure", "error"] = "failure" if record.status == "failed" else "error"
        kind = "budget" if record.timed_out else record.status
        text = f"{record.error}\n{record.trace}".rstrip()
        message = one_line(failure_message(record.cause or record.error, record.known_in), 300)
        return _Case(name, spent, outcome, kind, message, text, output)
    if record.status == "passed":
        return _Case(name, spent, output=output)
    reason = record.reason + (f" ({record.source})" if record.source else "")
    if record.status == "known_issue":
        return _known_issue(name, spent, reason, f"{record.error}\n\n{output}")
    if record.status == "accepted":
        text = f"{reason}\n\n{record.error}\n\n{output}".rstrip()
        return _Case(name, spent, output=text, accepted=one_line(reason, 300))
    return _Case(name, spent, "skipped", "", reason, output=output)


def _known_issue(name: str, spent: float, reason: str, text: str) -> _Case:
    output = f"known issue: {reason}\n\n{text}".rstrip()
    return _Case(name, spent, output=output, known_issue=one_line(reason, 300))


def _check(check: CheckResult) -> _Case:
    """The id is in the name: CI systems compare runs by it."""
    name = f"{check.id} {check.title}"
    if check.status == "passed":
        return _Case(name, check.duration)
    if check.status == "failed":
        message = one_line(failure_message(check.cause or check.actual, check.known_in), 300)
        return _Case(name, check.duration, "failure", "failed", message, failure_text(check))
    if check.status == "known_issue":
        reason = reason_text(check).removeprefix("known issue: ")
        return _known_issue(name, check.duration, reason, failure_text(check))
    if check.status == "accepted":
        text = f"{check.reason}\n\n{failure_text(check)}"
        return _Case(name, check.duration, output=text, accepted=one_line(check.reason, 300))
    return _Case(name, check.duration, "skipped", "", reason_text(check))
