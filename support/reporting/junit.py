"""JUnit XML made of result records, for a feature whose worker died before behave could write its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from support.reporting.records import Record
from support.reporting.summary import write_atomically
from support.reporting.text import one_line, visible


def write_junit(folder: Path, name: str, records: Sequence[Record]) -> Path:
    """`name` as behave names its file: `binary_health.identity`."""
    statuses = [record.status for record in records]
    suite = ElementTree.Element(
        "testsuite",
        name=f"{name}.{records[0].feature}" if records else name,
        tests=str(len(records)),
        errors=str(statuses.count("broken")),
        failures=str(statuses.count("failed")),
        skipped=str(statuses.count("skipped") + statuses.count("known_issue")),
        time=str(round(sum(record.duration for record in records), 3)),
    )
    for record in records:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"{name}.{record.feature}",
            name=record.name,
            status=record.status,
            time=str(round(record.duration, 3)),
        )
        kind = {"failed": "failure", "broken": "error", "skipped": "skipped", "known_issue": "skipped"}
        if record.status in kind:
            why = record.error or record.reason
            told = ElementTree.SubElement(case, kind[record.status], message=one_line(why))
            told.text = visible(f"{why}\n{record.trace}")
    return write_atomically(
        folder / f"TESTS-{name}.xml", ElementTree.tostring(suite, "utf-8", xml_declaration=True)
    )
