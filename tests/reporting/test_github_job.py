"""Annotations of GitHub Actions: one for each cause, whatever a server has answered."""

from __future__ import annotations

import pytest

from support.reporting.github_job import MOST_ANNOTATIONS, job_annotations
from support.reporting.run_verdict import RunVerdict
from support.results.accepted_issues import AcceptedIssues
from support.results.decision import decide
from support.results.record import Record


def failed(title: str, error: str) -> Record:
    return Record(title, "F", "features/parity/f.feature:3", "parity", "failed", ("critical",), error=error)


def verdict(*records: Record, code: int = 1) -> RunVerdict:
    return RunVerdict("toy 1.0", code, decide(records, "release", AcceptedIssues()))


@pytest.fixture(autouse=True)
def _on_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")


def test_each_cause_and_the_decision_are_an_annotation() -> None:
    alike = failed("a", "no answer"), failed("b", "no answer")
    assert list(job_annotations(verdict(*alike, failed("c", "no end")))) == [
        "::error title=critical%2C unlisted%3A a::no answer (2 failures)",
        "::error title=critical%2C unlisted%3A c::no end",
        "::error title=NO-GO%3A toy 1.0"
        "::NO-GO: toy 1.0 must not go live (gate: release): 3 unlisted failures (2 causes).",
    ]


def test_what_a_server_has_answered_is_no_command() -> None:
    (found, _) = job_annotations(verdict(failed("100 %", "a\r\n::stop-commands::x\n%0A")))
    assert found == "::error title=critical%2C unlisted%3A 100 %25::a%0D%0A::stop-commands::x%0A%250A"


def test_there_are_no_more_than_github_shows() -> None:
    many = [failed(f"scenario {name}", f"cause {name}") for name in "abcdefghijklmno"]
    assert len(list(job_annotations(verdict(*many)))) == MOST_ANNOTATIONS


def test_a_go_has_none_and_neither_has_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not list(job_annotations(verdict(code=0)))
    monkeypatch.delenv("GITHUB_ACTIONS")
    assert not list(job_annotations(verdict(failed("a", "got 500"))))
