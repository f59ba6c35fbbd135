"""JUnit XML made of the result records, a file per feature: behave's own has no reason in `<skipped>`.

The elements and attributes are those that both the schema of Jenkins' xUnit plug-in (junit-10.xsd) and Ant's
readers know: https://github.com/jenkinsci/xunit-plugin
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePath
from xml.etree import ElementTree

from support.reporting.summary import write_atomically
from support.results.record import Record
from support.results.safe_text import one_line, visible


def write_junit(folder: Path, records: Sequence[Record]) -> list[Path]:
    """`TESTS-<capability>.<feature file>.xml` for each feature; what failed outside stands in one of its own.

    A failed scenario is a `<failure>` of the type `failed` or `budget`, a broken one an `<error>` of the type
    `broken`; a known issue is skipped, with its reason. Texts are without secrets and control characters.
    """
    features: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        features[record.location.rpartition(":")[0] or record.location].append(record)
    return [
        write_atomically(
            folder / f"TESTS-{_name(file)}.xml",
            ElementTree.tostring(_suite(_name(file), those), "utf-8", xml_declaration=True),
        )
        for file, those in features.items()
    ]


def _name(file: str) -> str:
    """`features/binary_health/identity.feature` -> `binary_health.identity`."""
    parts = PurePath(file).with_suffix("").parts
    below = parts[parts.index("features") + 1 :] if "features" in parts else parts
    return ".".join(part for part in below if part not in ("/", ".."))


def _suite(name: str, records: Sequence[Record]) -> ElementTree.Element:
    statuses = [record.status for record in records]
    begun = datetime.fromtimestamp(min(record.start for record in records), UTC)
    suite = ElementTree.Element(
        "testsuite",
        name=visible(records[0].feature),
        package=name,
        tests=str(len(records)),
        errors=str(statuses.count("broken")),
        failures=str(statuses.count("failed")),
        skipped=str(statuses.count("skipped") + statuses.count("known_issue")),
        time=f"{sum(record.duration for record in records):.3f}",
        timestamp=begun.strftime("%Y-%m-%dT%H:%M:%S"),
    )
    properties = ElementTree.SubElement(suite, "properties")
    for title, values in (
        ("target", {record.target for record in records}),
        ("worker", {record.worker for record in records}),
    ):
        told = ", ".join(sorted(value for value in values if value))
        ElementTree.SubElement(properties, "property", name=title, value=visible(told))
    suite.extend(_case(name, record) for record in records)
    return suite


def _case(name: str, record: Record) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase", classname=name, name=visible(record.name), time=f"{record.duration:.3f}"
    )
    if record.gates:
        told = ElementTree.SubElement(
            case,
            "failure" if record.status == "failed" else "error",
            type="budget" if record.timed_out else record.status,
            message=one_line(record.error),
        )
        told.text = visible(f"{record.error}\n{record.trace}".rstrip())
    elif record.status != "passed":
        known = record.status == "known_issue"
        reason = f"known issue: {record.reason}" if known else record.reason
        if record.source:
            reason += f" ({record.source})"
        told = ElementTree.SubElement(case, "skipped", message=one_line(reason, 300))
        told.text = visible(record.error) if known else None
    if record.output:
        ElementTree.SubElement(case, "system-out").text = visible(record.output)
    return case
