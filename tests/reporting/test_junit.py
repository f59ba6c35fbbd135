"""JUnit files: every reader can take them, and every outcome has its reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from support.reporting.junit import write_junit
from support.reporting.report_json import build_report
from support.reporting.run_verdict import RunVerdict
from support.reporting.summary import CapabilityTime
from support.results.check import CheckResult, describe_failure
from support.results.decision import Decision
from support.results.outcome import Status
from support.results.record import Record
from support.results.redaction import redact

# Every character that XML 1.0 has no place for (https://www.w3.org/TR/xml/#charsets).
ILLEGAL = "".join(map(chr, [*range(9), 11, 12, *range(14, 32), 0xD800, 0xDFFF, 0xFFFE, 0xFFFF]))
ATTRIBUTES = {
    "testsuite": {"name", "package", "tests", "errors", "failures", "skipped", "time", "timestamp"},
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"classname", "name", "time"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"message"},
    "system-out": set(),
}


def toy(name: str, status: Status, **fields: object) -> Record:
    values: dict[str, object] = {"duration": 0.5, "worker": "w1", "target": "toy 1.0", **fields}
    place = f"features/binary_health/identity.feature:{len(name)}"
    return Record(name, "Identity", place, "binary_health", status, **values)  # type: ignore[arg-type]


RECORDS = [
    toy("good", "passed", output="hello"),
    toy("wrong", "failed", error="expected 1\ngot 2"),
    toy("slow", "failed", error="the step exceeded its budget of 1 s in x", timed_out=True, worker="w2"),
    toy("harmed", "broken", error=f'no "disk" <&> {ILLEGAL}', trace=ILLEGAL, output=ILLEGAL),
    toy(f"absent {ILLEGAL}", "skipped", reason="no GPU; use one"),
    toy("known", "known_issue", error="got 500", reason="answers 500", source="docs/x.md"),
]
FAILURE: dict[str, Any] = {
    "expected": "400",
    "actual": f"got 500 {ILLEGAL}",
    "source": "RFC 9110",
    "repeat": "curl http://h",
}
GROUP = toy(
    "group",
    "failed",
    error="1 of 4 checks failed",
    checks=(
        CheckResult("toy.good", "it is good", "toys", "must", "passed", duration=0.25),
        CheckResult("toy.bad", "it is bad", "toys", "must", "failed", **FAILURE),
        CheckResult("toy.old", "it is old", "toys", "must", "known_issue", reason="answers 500", **FAILURE),
        CheckResult("toy.none", "it is none", "toys", "must", "unsupported", reason="no such route"),
    ),
)


GO = RunVerdict("toy 1.0", 0, Decision("release"))
NO_GO = RunVerdict("toy 1.0", 5, Decision("release"), [CapabilityTime("terminal_chat", 50.0, 20.0, 40.0)])


def test_outcomes_have_their_types_and_reasons(tmp_path: Path) -> None:
    file, _ = write_junit(tmp_path, RECORDS, GO)
    assert file.name == "TESTS-binary_health.identity.xml"
    suite = ElementTree.parse(file).getroot()
    told = {
        case.get("name", "")[:6]: [
            (child.tag, child.get("type"), (child.get("message") or "")[:40])
            for child in case
            if child.tag != "system-out"
        ]
        for case in suite.iter("testcase")
    }
    assert told["good"] == []
    assert told["wrong"] == [("failure", "failed", "expected 1")]
    assert told["slow"][0][:2] == ("failure", "budget")
    assert told["harmed"][0][:2] == ("error", "broken")
    assert told["absent"] == [("skipped", None, "no GPU; use one")]
    assert told["known"] == []
    counted = [suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time")]
    assert counted == ["6", "2", "1", "1", "3.000"]
    properties = {item.get("name"): item.get("value") for item in suite.iter("property")}
    assert properties == {
        "target": "toy 1.0",
        "worker": "w1, w2",
        "known_issue": "known: answers 500 (docs/x.md)",
    }
    printed = [out.text for out in suite.iter("system-out")]
    assert "hello" in printed and "known issue: answers 500 (docs/x.md)\n\ngot 500" in printed


def test_an_id_that_ends_as_a_header_costs_no_word_of_the_title(tmp_path: Path) -> None:
    """`authorization: a` would be a header with a secret."""
    check = CheckResult("toy.headers.authorization", "a wrong key is rejected", "toy", "must", "failed")
    assert redact(describe_failure(check)).startswith(f"{check.id}  {check.title}\n")
    file, _ = write_junit(tmp_path, [replace(GROUP, checks=(check,))], GO)
    names = [case.get("name") for case in ElementTree.parse(file).getroot().iter("testcase")]
    assert f"{check.id} {check.title}" in names


def test_each_check_is_a_test_case_of_its_feature(tmp_path: Path) -> None:
    file, _ = write_junit(tmp_path, [RECORDS[0], GROUP], GO)
    suite = ElementTree.parse(file).getroot()
    cases = list(suite.iter("testcase"))
    assert [(case.get("name"), case.get("classname"), case.get("time")) for case in cases] == [
        ("good", "binary_health.identity", "0.500"),
        ("group", "binary_health.identity", "0.500"),
        ("toy.good it is good", "binary_health.identity", "0.250"),
        ("toy.bad it is bad", "binary_health.identity", "0.000"),
        ("toy.old it is old", "binary_health.identity", "0.000"),
        ("toy.none it is none", "binary_health.identity", "0.000"),
    ]
    counted = [suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time")]
    assert counted == ["6", "2", "0", "1", "1.000"]
    bad, old, none = map(list, cases[3:])
    assert (bad[0].tag, bad[0].get("type"), (bad[0].get("message") or "")[:7]) == (
        "failure",
        "failed",
        "got 500",
    )
    for line in ("expected: 400", "source: RFC 9110", "curl http://h", "acceptance run --case toy.bad"):
        assert line in (bad[0].text or "")
    assert (old[0].tag, (old[0].text or "").split("\n")[0]) == ("system-out", "known issue: answers 500")
    assert "expected: 400" in (old[0].text or "")
    assert (none[0].tag, none[0].get("message")) == ("skipped", "no such route")


def test_nothing_but_what_the_common_schemas_know(tmp_path: Path) -> None:
    files = write_junit(tmp_path, [*RECORDS, GROUP], NO_GO)
    for element in (element for file in files for element in ElementTree.parse(file).getroot().iter()):
        assert set(element.attrib) <= ATTRIBUTES[element.tag], element.tag


def test_each_feature_has_a_file_and_the_harness_too(tmp_path: Path) -> None:
    other = Record("before_all", "Harness", "environment.py:1", "harness", "broken", error="x")
    names = [file.name for file in write_junit(tmp_path, [*RECORDS, other], GO)]
    assert names == ["TESTS-binary_health.identity.xml", "TESTS-environment.xml", "TESTS-decision.xml"]


@pytest.mark.parametrize(("verdict", "failures"), [(GO, "0"), (NO_GO, "1")])
def test_the_decision_is_a_test_case(tmp_path: Path, verdict: RunVerdict, failures: str) -> None:
    suite = ElementTree.parse(write_junit(tmp_path, RECORDS, verdict)[-1]).getroot()
    assert suite.get("failures") == failures
    case = next(suite.iter("testcase"))
    text = case.findtext("failure") or case.findtext("system-out") or ""
    assert text.startswith(f"{verdict.word}: toy 1.0")
    assert ("over the maximum time: Terminal chat" in text) is not verdict.go
    properties = {entry.get("name"): entry.get("value") for entry in suite.iter("property")}
    assert properties["exit_code"] == str(verdict.exit_code)
    limits = "50.0 s, target 20 s, maximum 40 s: OVER THE MAXIMUM"
    assert properties.get("time of terminal_chat") == (None if verdict.go else limits)


def test_a_failure_that_is_known_in_another_version_begins_with_that(tmp_path: Path) -> None:
    known = "toy 1.0 (it is old; notes.md)"
    check = CheckResult("toy.bad", "it is bad", "toys", "must", "failed", actual="got 500", known_in=known)
    records = [toy("wrong", "failed", error="got 501", known_in=known, checks=(check,))]
    file, _ = write_junit(tmp_path, records, GO)
    failures = list(ElementTree.parse(file).getroot().iter("failure"))
    assert [failure.get("message") for failure in failures] == [
        f"known in {known}: got 501",
        f"known in {known}: got 500",
    ]
    assert f"known in: {known}" in (failures[1].text or "")
    rows = build_report(records, GO, suite="toy", environment={}, started=0.0, duration=1.0)["tests"]
    assert [row["known_in"] for row in rows] == [known, known]
