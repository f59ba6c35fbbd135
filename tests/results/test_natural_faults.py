"""Which listed defects a run without the list has detected."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from support.results.known_issues import KnownIssue, KnownIssues
from tools.natural_faults import compared


def issue(
    name: str, *, target: str = "mistralrs", versions: str = "<=0.8.1", flaky: bool = False
) -> KnownIssue:
    place = {"check": name} if "." in name else {"scenario": name}
    return KnownIssue(target, SpecifierSet(versions), "it is wrong", "docs", (), flaky=flaky, **place)


def report(**verdicts: str) -> dict[str, Any]:
    """Of checks of one scenario (`a_one` is `a.one`), and of a scenario that runs none (`Alone`)."""
    tests = []
    for name, verdict in verdicts.items():
        kind = {"kind": "check", "scenario": "Group"} if "_" in name else {"kind": "scenario"}
        known = {"known_in": "mistralrs <=0.8.1"} if verdict == "failed" else {}
        tests.append({"name": name.replace("_", "."), "verdict": verdict, **kind, **known})
        if "_" in name:
            tests.append({"kind": "scenario", "name": "Group", "verdict": verdict})
    target = "mistralrs 0.8.1"
    ollama = f"mistralrs-gateway 0.17.4 in front of {target}"
    return {"subject": target, "environment": {"target": target, "Ollama API": ollama}, "tests": tests}


@pytest.mark.parametrize(
    ("verdict", "place"),
    [
        ("failed", "detected"),
        ("passed", "missed"),
        ("skipped", "not_judged"),
        ("unsupported", "not_judged"),
        ("not_run", "not_judged"),
    ],
)
@pytest.mark.parametrize("name", ["a_one", "Alone"])
def test_a_listed_defect_has_one_of_these(name: str, verdict: str, place: str) -> None:
    listed = name.replace("_", ".")
    found = compared(report(**{name: verdict}), KnownIssues([issue(listed)]))
    assert {key: names for key, names in vars(found).items() if names} == {place: (listed,)}


def test_what_fails_at_random_may_pass() -> None:
    found = compared(report(a_one="passed"), KnownIssues([issue("a.one", flaky=True)]))
    assert (found.flaky, found.missed) == (("a.one",), ())
    assert str(found) == "0 of 0 (1 at random passed, 0 not judged); not listed: 0"


def test_a_failure_that_is_not_the_listed_one_is_not_detected() -> None:
    other = report(a_one="failed")
    del other["tests"][0]["known_in"]
    found = compared(other, KnownIssues([issue("a.one")]))
    assert (found.detected, found.missed, found.unlisted) == ((), ("a.one",), ("a.one",))


def test_what_is_listed_for_another_program_of_the_run_is_no_new_failure() -> None:
    elsewhere = [issue("a.one", target="ollama"), issue("a.one", versions=">=0.9")]
    assert not any(vars(compared(report(a_one="failed"), KnownIssues(elsewhere))).values())


def test_only_the_ollama_api_is_under_test_where_it_is_that_of_another_program() -> None:
    ollama = report(a_one="passed") | {"subject": "ollama 0.17.4"}
    ollama["environment"] = {"target": "mistralrs 0.8.1", "Ollama API": "ollama 0.17.4 (/opt/ollama)"}
    found = compared(
        ollama, KnownIssues([issue("a.one"), issue("b.two", target="ollama", versions="==0.17.4")])
    )
    assert (found.missed, found.not_judged) == ((), ("b.two",))


def test_the_gateway_is_a_program_under_test() -> None:
    found = compared(
        report(a_one="failed"), KnownIssues([issue("a.one", target="mistralrs-gateway", versions="==0.17.4")])
    )
    assert found.detected == ("a.one",)


def test_a_check_that_failed_once_of_several_times_is_detected() -> None:
    twice = report(a_one="passed")
    twice["tests"].append(
        {"kind": "check", "name": "a.one", "scenario": "Group", "verdict": "failed", "known_in": "mistralrs"}
    )
    assert compared(twice, KnownIssues([issue("a.one")])).detected == ("a.one",)
