"""`known-issues.html`, the banner of the HTML report, and the command that runs something again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from support.reporting.check_text import failure_text
from support.reporting.known_issues_page import known_issue_groups
from support.reporting.rendering import decision_banner, known_issues_html
from support.reporting.run_verdict import RunVerdict
from support.results.accepted_issues import AcceptedIssue, AcceptedIssues
from support.results.check import CheckResult, describe_failure
from support.results.decision import decide
from support.results.known_issues import KnownIssue
from support.results.record import Record
from support.results.rerun_command import set_rerun_target
from support.servers.discovery import CommandTarget, UrlTarget, target_options
from support.settings import load_settings


def known(check_id: str, reason: str) -> CheckResult:
    return CheckResult(
        check_id,
        f"<{check_id}> holds",
        "toys",
        "must",
        "known_issue",
        reason=reason,
        reason_source="docs/x.md",
    )


def entry(name: str, reason: str, versions: str, target: str = "toy") -> KnownIssue:
    is_scenario = " " in name
    place = {"scenario": name} if is_scenario else {"check": name}
    return KnownIssue(target, SpecifierSet(versions), reason, "docs/x.md", (), **place)  # type: ignore[arg-type]


CHECKS = tuple(known(f"toy.{name}", "answers 500") for name in ("a", "b", "c", "d"))
RECORDS = [
    Record("Groups", "Toys", "features/t/toy.feature:3", "t", "known_issue", ("critical",), checks=CHECKS),
    Record(
        *("It leaks", "Toys", "features/t/toy.feature:9", "t", "known_issue", ("blocker",)),
        reason="mixes answers",
        source="docs/y.md",
    ),
    Record("It works", "Toys", "features/t/toy.feature:12", "t", "passed"),
]
ENTRIES = [
    entry("toy.a", "answers 500", ">=1.1,<=2.0"),
    entry("toy.b", "answers 500", "==0.9"),
    entry("toy.b", "answers 500", "==0.1", "other"),
    entry("toy.c", "something else", "==0.2"),
    entry("It leaks", "mixes answers", "==2.0"),
]
VERDICT = RunVerdict("toy 2.0", 1, decide(RECORDS, "release", AcceptedIssues()))


@pytest.fixture
def at_a_url() -> Iterator[None]:
    set_rerun_target(["--target", "http://h:1"])
    yield
    set_rerun_target([])


def test_known_issues_are_grouped_by_reason_the_most_severe_first() -> None:
    groups = known_issue_groups(VERDICT.decision.findings, ENTRIES, ["toy"])
    assert [(g.cause.reason, g.cause.severity, g.first_version, g.versions) for g in groups] == [
        ("mixes answers", "blocker", "toy 2.0", ("toy ==2.0",)),
        ("answers 500", "critical", "toy 0.9", ("toy >=1.1,<=2.0", "toy ==0.9")),
    ]


@pytest.mark.usefixtures("at_a_url")
def test_each_known_issue_has_its_source_and_the_command_that_reproduces_it() -> None:
    page = known_issues_html(VERDICT, ENTRIES, ["toy"], f"2026-11-29 10:00 UTC. {VERDICT.text}")
    for text in (
        *("NO-GO: toy 2.0", "2026-11-29 10:00 UTC", "docs/x.md", "docs/y.md", "&lt;toy.a&gt; holds"),
        "acceptance run --case toy.d --target http://h:1 --gate strict",
        "acceptance run features/t/toy.feature:9 --target http://h:1 --gate strict",
    ):
        assert text in page
    assert "prefers-color-scheme: dark" in page and "src=" not in page and "It works" not in page


def test_an_accepted_known_issue_is_counted_as_accepted_alone() -> None:
    until = date(2027, 3, 31)
    accepted = AcceptedIssues(
        [AcceptedIssue(name, "not used", "ops", until) for name in ("toy.a", "It leaks")]
    )
    page = known_issues_html(
        RunVerdict("toy 2.0", 0, decide(RECORDS, "release", accepted)), ENTRIES, ["toy"], ""
    )
    assert 'lists\nthem: <a href="#critical">3 critical</a>; accepted: 2.' in page
    assert page.count("accepted by ops until 2027-03-31") == 2


def test_a_severity_without_a_found_known_issue_is_hidden() -> None:
    page = known_issues_html(VERDICT, ENTRIES, ["toy"], "")
    assert page.count("<section data-group>") == page.count("</section>") == 2
    assert "[data-group]:not(:has([data-row]:not(.unmatched))) { display: none }" in page


def test_without_known_issues_there_is_no_page() -> None:
    green = RunVerdict("toy 2.0", 0, decide(RECORDS[2:], "release", AcceptedIssues()))
    assert known_issues_html(green, ENTRIES, ["toy"], "") == ""


def test_the_banner_has_the_decision_its_reason_the_counts_and_the_pages() -> None:
    banner = decision_banner(RECORDS, VERDICT, "today", {"known-issues.html": "Known issues"}, "evidence")
    for text in (
        *("NO-GO: toy 2.0 must not go live", "First cause: mixes answers (docs/y.md), in It leaks", "today"),
        "Scenarios: 1 passed, 0 failed, 0 skipped, 2 known issues.",
        "Exit code 1. today",
        'data-page="known-issues.html">Known issues</a>',
        '<a href="evidence/"',
    ):
        assert text in banner


def test_the_banner_has_which_injected_faults_were_detected() -> None:
    banner = decision_banner(RECORDS, VERDICT, "today", {}, injected_faults="9 of <9> detected")
    assert "<p>Injected faults: 9 of &lt;9&gt; detected.</p>" in banner


def test_the_banner_is_read_whole_and_the_page_scrolls_once() -> None:
    banner = decision_banner(RECORDS, VERDICT, "today", {})
    assert "evidence/" not in banner, "there is none"
    assert "nowrap" not in banner and "ellipsis" not in banner
    assert "#app > div { height: 100% !important }" in banner


@pytest.mark.usefixtures("at_a_url")
def test_the_command_of_a_failure_tests_the_same_server() -> None:
    command = "acceptance run --case toy.a --target http://h:1"
    assert command in describe_failure(CHECKS[0]) and command in failure_text(CHECKS[0])


def test_a_target_that_is_found_without_an_option_needs_none(tmp_path: Path) -> None:
    program = tmp_path / "mistralrs"
    program.touch(mode=0o755)
    found = CommandTarget(program, "mistralrs", "0.8.1", "it is on PATH")
    reference = CommandTarget(program, "mistralrs-reference", "0.9.5", "there is no other")
    url = UrlTarget("http://user:secret@h:1/v1?key=x", (), "TARGET_URL is set")
    settings = load_settings({}).settings
    assert target_options(found, settings) == []
    assert target_options(reference, settings) == ["--target", "reference"]
    assert target_options(url, settings) == ["--target", "http://(redacted)@h:1/v1?(redacted)"]
    chosen = load_settings({"mistralrs_bin": str(program), "ollama_api": "ollama"}).settings
    assert target_options(found, chosen) == ["--target", str(program), "-D", "ollama_api=ollama"]
