"""GO or NO-GO: what counts under each gate, what is accepted, what was not run."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from support.reporting.rendering import decision_banner, render, run_summary
from support.reporting.run_verdict import RunVerdict
from support.reporting.summary import skip_lines
from support.results.accepted_issues import AcceptedIssue, AcceptedIssues
from support.results.check import CheckResult
from support.results.decision import Gate, causes, decide
from support.results.record import UNRESPONSIVE, Record
from support.runner.exit_code import exit_code

UNTIL = date(2027, 3, 31)


def record(name: str, status: str, *tags: str, **fields: Any) -> Record:
    return Record(name, "F", f"features/parity/f.feature:{len(name)}", "parity", status, tags, **fields)  # type: ignore[arg-type]


def check(name: str, status: str, **fields: Any) -> CheckResult:
    return CheckResult(f"toy.{name}", f"{name} is checked", "toys", "must", status, **fields)  # type: ignore[arg-type]


MIXED = record("answers are kept apart", "known_issue", "blocker", reason="answers are mixed", source="docs")
MIXED_TOO = record(
    "prompts are kept apart", "known_issue", "blocker", reason="answers are mixed", source="docs"
)
GGML = record("GGML answers", "known_issue", "critical", reason="GGML panics")
PASSED = record("it passes", "passed", "blocker")
FAILED = record("it fails", "failed", "minor", error="expected 1\ngot 2")
GROUP = record(
    "a group",
    "failed",
    "critical",
    by_checks=True,
    checks=(
        check("good", "passed"),
        check("new", "failed", actual="got 500"),
        check("listed", "known_issue", reason="a user's text goes to another", severity="blocker"),
        check("sensible", "known_issue", reason="counts are missing"),
    ),
)


def accepting(*names: str) -> AcceptedIssues:
    return AcceptedIssues([AcceptedIssue(name, "not used here", "ops", UNTIL) for name in names])


@pytest.mark.parametrize(
    ("gate", "records", "blockers"),
    [
        ("release", [PASSED, GGML], []),
        ("release", [PASSED, MIXED, GGML], [MIXED.name]),
        ("regression", [PASSED, MIXED, GGML], []),
        ("regression", [FAILED, MIXED], [FAILED.name]),
        ("release", [FAILED, MIXED], [MIXED.name, FAILED.name]),
        ("release", [GROUP], ["toy.listed", "toy.new"]),
        ("regression", [GROUP], ["toy.new"]),
    ],
)
def test_the_gate_decides_what_counts(gate: Gate, records: list[Record], blockers: list[str]) -> None:
    decision = decide(records, gate, AcceptedIssues())
    assert [finding.id for finding in decision.blockers] == blockers


def test_what_is_accepted_does_not_count_and_is_listed() -> None:
    decision = decide([MIXED, MIXED_TOO, FAILED], "release", accepting(MIXED.name, FAILED.name))
    assert [finding.id for finding in decision.blockers] == [MIXED_TOO.name]
    assert [finding.id for finding in decision.accepted] == [MIXED.name, FAILED.name]
    assert decision.accepts(FAILED) and not decision.accepts(PASSED)


@pytest.mark.parametrize("gate", ["release", "regression"])
def test_a_known_issue_that_is_accepted_counts_once(gate: Gate) -> None:
    decision = decide([MIXED, GGML, PASSED], gate, accepting(MIXED.name))
    assert decision.known_issues == {"critical": 1}
    text = RunVerdict("toy 1.0", 0, decision).text
    assert (
        "Known issues, checks and scenarios without checks: 1 critical; accepted: 1." in text
        and "would count" not in text
    )


def test_a_group_is_accepted_when_each_new_failure_is() -> None:
    assert decide([GROUP], "release", accepting("toy.new")).accepts(GROUP)
    assert not decide([GROUP], "release", accepting("toy.listed")).accepts(GROUP)


OTHER = "a new failure instead of the known issue of toy (answers are mixed; docs): status: 500"


@pytest.mark.parametrize(
    ("failure", "found", "accepted"),
    [
        ("", FAILED, True),
        ("", MIXED, True),
        ("", record(MIXED.name, "failed", "blocker", error=OTHER), False),
        ("known issue", MIXED, True),
        ("known issue", record(MIXED.name, "failed", "blocker", error=OTHER), False),
        ("known issue", FAILED, False),
        ("expected 1", FAILED, True),
        (
            "expected 2 at port 4711",
            record(FAILED.name, "failed", error="expected 3 at port 815\nmore"),
            True,
        ),
        ("expected two", FAILED, False),
        ("expected 200, got 500", record(FAILED.name, "failed", error="expected 200, got 404"), False),
    ],
)
def test_another_failure_than_the_accepted_one_counts(failure: str, found: Record, *, accepted: bool) -> None:
    entry = AcceptedIssue(found.name, "not used here", "ops", UNTIL, failure)
    decision = decide([found], "release", AcceptedIssues([entry]))
    assert [one.id for one in decision.accepted] == [found.name] * accepted
    assert [one.id for one in decision.blockers] == [found.name] * (not accepted)
    code = exit_code([found], [found.location], decision, broken=False)
    assert code == (0 if accepted else 1)
    why = f"accepted.toml accepts {found.name!r}, but not this failure of it"
    assert RunVerdict("toy 1.0", code, decision).reasons == [why] * (not accepted)


def test_another_failure_of_an_accepted_check_counts() -> None:
    entries = [
        AcceptedIssue("toy.new", "r", "ops", UNTIL, "got an empty answer"),
        AcceptedIssue("toy.listed", "r", "ops", UNTIL, "known issue"),
    ]
    decision = decide([GROUP], "release", AcceptedIssues(entries))
    assert [one.id for one in decision.blockers] == ["toy.new"]
    assert [one.id for one in decision.accepted] == ["toy.listed"]
    assert decision.changed == ("toy.new",)


def test_an_accepted_check_does_not_accept_what_failed_beside_it() -> None:
    killed = replace(GROUP, status="broken", by_checks=False, error="the worker process ended")
    decision = decide([killed], "regression", accepting("toy.new"))
    assert [(finding.id, finding.reason) for finding in decision.blockers] == [
        ("a group", "the worker process ended")
    ]
    assert not decision.accepts(killed)


def test_what_is_accepted_and_passes_is_stale_unless_it_is_flaky() -> None:
    accepted = accepting(PASSED.name, "toy.good", "not in this run")
    assert decide([PASSED, GROUP], "release", accepted).stale == (PASSED.name, "toy.good")
    assert decide([PASSED, GROUP], "release", accepted, {PASSED.name}).stale == ("toy.good",)


def test_blockers_that_were_not_run_are_listed() -> None:
    records = [
        record("no tmux", "skipped", "blocker", reason="requires tmux"),
        record("no GPU", "skipped", "critical", reason="requires a GPU"),
        record("not used", "out_of_scope", "blocker", reason="out of scope"),
        record("some", "passed", "blocker", checks=(check("absent", "unsupported", reason="no route"),)),
    ]
    decision = decide(records, "release", AcceptedIssues())
    assert [(finding.id, finding.reason) for finding in decision.not_run] == [
        ("no tmux", "requires tmux"),
        ("toy.absent", "no route"),
    ]


def test_causes_are_sorted_by_severity_then_by_number() -> None:
    found = causes(decide([GGML, GROUP, MIXED, MIXED_TOO], "release", AcceptedIssues()).findings)
    assert [(cause.severity, len(cause.findings), cause.reason) for cause in found][:2] == [
        ("blocker", 2, "answers are mixed"),
        ("blocker", 1, "a user's text goes to another"),
    ]


def test_the_worst_severity_of_a_cause_is_its_own() -> None:
    found = [record(f"{level} issue", "known_issue", level, reason="late") for level in ("minor", "normal")]
    (cause,) = causes(decide(found, "release", AcceptedIssues()).findings)
    assert (cause.severity, cause.standing) == ("normal", "known issue")


def test_what_was_not_run_never_stands_below_a_known_issue() -> None:
    found = decide(
        [MIXED, record("later", "skipped", "blocker", reason=MIXED.reason)], "release", AcceptedIssues()
    )
    (cause,) = causes(found.findings, found.not_run)
    assert (cause.known, cause.not_run) == (True, ())


def test_known_issues_with_different_numbers_in_their_reasons_are_different_causes() -> None:
    reasons = ("tokens are 3 times as slow", "tokens are 9 times as slow")
    found = [record(reason, "known_issue", reason=reason) for reason in reasons]
    assert len(causes(decide(found, "release", AcceptedIssues()).findings)) == 2


@pytest.mark.parametrize(
    ("scenario", "own", "level", "severity"),
    [
        ("blocker", None, "must", "blocker"),
        ("blocker", None, "should", "normal"),
        ("minor", None, "should", "minor"),
        ("blocker", "critical", "should", "critical"),
    ],
)
def test_what_is_only_sensible_is_normal_at_most(
    scenario: str, own: str | None, level: str, severity: str
) -> None:
    checks = (replace(check("one", "failed", severity=own), level=level),)  # type: ignore[arg-type]
    group = record("a group", "failed", scenario, by_checks=True, checks=checks)
    (finding,) = decide([group], "release", AcceptedIssues()).findings
    assert finding.severity == severity


def test_a_finding_states_where_it_ran_and_where_it_is_documented() -> None:
    checks = (
        check("new", "failed", reason_source="not of a failure", cause="it died"),
        check(
            "listed", "known_issue", reason="late", reason_source="docs#late", cause="not of a known issue"
        ),
        check("absent", "unsupported", reason="no route", reason_source="docs#routes", severity="blocker"),
    )
    group = record("a group", "failed", "minor", by_checks=True, checks=checks)
    alone = replace(MIXED, cause="not of a known issue")
    later = record(
        "it is late", "failed", "minor", error="no answer", source="not of a failure", cause="it died"
    )
    skipped = record("not run", "skipped", "blocker", reason="needs a GPU", source="not of what was not run")
    decision = decide([group, alone, later, skipped], "release", AcceptedIssues())
    shown = {
        one.id: (one.known, one.scenario, one.location, one.source, one.cause)
        for one in (*decision.findings, *decision.not_run)
    }
    assert shown == {
        "toy.new": (False, group.name, group.location, "", "it died"),
        "toy.listed": (True, group.name, group.location, "docs#late", ""),
        "toy.absent": (False, group.name, group.location, "docs#routes", ""),
        alone.name: (True, alone.name, alone.location, "docs", ""),
        later.name: (False, later.name, later.location, "", "it died"),
        skipped.name: (False, skipped.name, skipped.location, "", ""),
    }
    assert [(one.source, one.known) for one in causes(decision.findings)] == [
        ("docs", True),
        ("", False),
        ("docs#late", True),
    ]


def test_what_is_accepted_is_marked_in_the_records() -> None:
    decision = decide([GROUP, FAILED, MIXED], "regression", accepting("toy.new", FAILED.name, MIXED.name))
    marked = decision.marked(GROUP)
    assert {one.id: (one.status, one.reason) for one in marked.checks} == {
        "toy.good": ("passed", ""),
        "toy.new": ("accepted", f"accepted by ops until {UNTIL}: not used here"),
        "toy.listed": ("known_issue", "a user's text goes to another"),
        "toy.sensible": ("known_issue", "counts are missing"),
    }
    assert (marked.status, marked.reason) == ("accepted", f"accepted by ops until {UNTIL}: not used here")
    assert decision.marked(FAILED).status == "accepted"
    assert decision.marked(MIXED) == MIXED, "a known issue is shown as one"
    assert decision.marked(PASSED) == PASSED
    partly = decide([GROUP, FAILED], "regression", accepting(FAILED.name))
    assert partly.marked(GROUP) == GROUP


def test_a_check_is_marked_where_its_accepted_failure_was() -> None:
    here = record("here", "failed", by_checks=True, checks=(check("one", "failed", actual="got 500"),))
    there = record(
        "over there", "failed", by_checks=True, checks=(check("one", "failed", actual="no answer"),)
    )
    entry = AcceptedIssue("toy.one", "not used here", "ops", UNTIL, "no answer")
    decision = decide([here, there], "release", AcceptedIssues([entry]))
    marked = [decision.marked(one) for one in (here, there)]
    assert [one.status for one in marked] == ["failed", "accepted"]
    assert [one.checks[0].status for one in marked] == ["failed", "accepted"]


def test_the_reasons_of_all_accepted_checks_are_shown() -> None:
    checks = (check("one", "failed", actual="got 500"), check("two", "failed", actual="no answer"))
    group = record("a group", "failed", by_checks=True, checks=checks)
    entries = [AcceptedIssue(f"toy.{name}", f"{name} is late", "ops", UNTIL) for name in ("one", "two")]
    marked = decide([group], "release", AcceptedIssues(entries)).marked(group)
    assert marked.reason == "; ".join(str(entry) for entry in entries)


def test_failures_are_grouped_by_their_cause_and_without_one_by_their_first_line() -> None:
    group = record(
        "a group",
        "failed",
        by_checks=True,
        checks=(
            check("one", "failed", actual="no answer", cause="the server at localhost:41001 died"),
            check("two", "failed", actual="expected 3", cause="a server panicked"),
            check("three", "failed", actual="nothing on port 41001\n1"),
        ),
    )
    alone = record("alone", "broken", error="no connection", cause="the server at localhost:52002 died")
    other = record("one more", "failed", error="nothing on port 9\n2")
    found = causes(decide([group, alone, other], "release", AcceptedIssues()).blockers)
    assert [(cause.reason, [finding.id for finding in cause.findings]) for cause in found] == [
        ("the server at localhost:41001 died", ["toy.one", "alone"]),
        ("nothing on port 41001\n1", ["toy.three", "one more"]),
        ("a server panicked", ["toy.two"]),
    ]


def test_what_was_not_run_stands_below_its_cause_and_requests_before_it_have_it_too() -> None:
    lost = "the server at http://toy has not answered 3 requests in a row"
    requests = ["POST http://toy/a: no response", "GET http://toy/b: no response"]
    records = [
        record("first", "failed", error=f"{requests[0]}\n(in: When asked)"),
        record(
            "group",
            "failed",
            by_checks=True,
            checks=(check("one", "failed", actual=f"transport: {requests[1]}"),),
        ),
        record(
            "other", "failed", error="POST http://toy/c: no response", trace="GET http://toy/d: no response"
        ),
        record("beside", "failed", error="GET http://toy/d: no response"),
        record(UNRESPONSIVE, "failed", error=lost, trace="\n".join(requests)),
        record("later", "skipped", reason=lost),
        record("rest", "failed", error="1 of 2", cause=lost, checks=(check("two", "not_run", reason=lost),)),
        record("no tmux", "skipped", reason="requires tmux"),
    ]
    verdict = RunVerdict("toy 1.0", 1, decide(records, "release", AcceptedIssues()))
    shown = {
        one.reason: ([each.id for each in one.findings], [each.id for each in one.not_run])
        for one in verdict.causes
    }
    assert shown == {
        lost: (["first", "toy.one", UNRESPONSIVE, "rest"], ["later", "toy.two"]),
        "POST http://toy/c: no response": (["other"], []),
        "GET http://toy/d: no response": (["beside"], []),
    }
    assert verdict.causes[0].extent == "4 failures, 2 not run"
    assert skip_lines(records, verdict.decision.dependants) == ["1 scenario: requires tmux"]
    reports = [
        render("closing.txt", reports={}, **run_summary(records, duration=1.0, verdict=verdict)),
        render("summary.md", matrix=None, **run_summary(records, duration=1.0, verdict=verdict)),
        decision_banner(records, verdict, "", {}),
    ]
    assert ["not run: " in text and "4 failures, 2 not run" in text for text in reports] == [True] * 3
    assert [one["id"] for one in verdict.to_json()["causes"][0]["not_run"]] == ["later", "toy.two"]


def test_a_listed_failure_that_counts_is_named_as_listed() -> None:
    seen = record("it is listed", "failed", "minor", error="it took long", known_in="toy 1.0 (late; docs)")
    verdict = RunVerdict("toy 1.0", 1, decide([FAILED, seen], "strict", AcceptedIssues()))
    counted = "(gate: strict): 1 listed failure, 1 unlisted failure."
    assert verdict.sentences[0].endswith(counted)
    shown = run_summary([FAILED, seen], duration=1.0, verdict=verdict)
    assert ", listed" in decision_banner([FAILED, seen], verdict, "", {})
    assert "minor    listed: " in render("closing.txt", reports={}, **shown)
    assert "minor, listed |" in render("summary.md", matrix=None, **shown)
    other = RunVerdict("toy 1.0", 1, decide([FAILED, seen], "release", AcceptedIssues()))
    assert "2 unlisted failures" in other.text, "another version has it"


def test_known_issues_are_counted_by_severity() -> None:
    assert decide([GGML, MIXED, GROUP], "release", AcceptedIssues()).known_issues == {
        "blocker": 2,
        "critical": 2,
    }


def test_blockers_that_were_not_selected_were_not_run_and_a_go_is_for_a_part_only() -> None:
    left_out = [
        record("kept apart", "skipped", "blocker", reason="not selected"),
        record("asked for a trillion", "skipped", "blocker", "slow", reason="not selected"),
    ]
    decision = decide([PASSED], "release", AcceptedIssues(), unselected=left_out)
    assert [finding.id for finding in decision.not_run] == ["kept apart", "asked for a trillion"]
    assert decision.unselected == 1, "a whole run has no @slow scenario"
    part = RunVerdict("toy 1.0", 0, decision).text
    assert part.startswith("GO for the selected part only, without 1 scenario: toy 1.0 (gate: release). ")
    assert "Not run: 2 blockers (not selected)." in part
    whole = RunVerdict("toy 1.0", 0, decide([PASSED], "release", AcceptedIssues(), unselected=left_out[1:]))
    assert whole.sentences[0] == "GO: toy 1.0 may go live (gate: release)."


def test_of_the_reasons_why_blockers_were_not_run_the_most_frequent_is_shown() -> None:
    ended = [
        record(name, "skipped", "blocker", reason="not run: the run was ended by SIGTERM")
        for name in ("a", "bb")
    ]
    records = [PASSED, record("kept apart", "skipped", "blocker", reason="needs a GPU"), *ended]
    text = RunVerdict("toy 1.0", 0, decide(records, "release", AcceptedIssues())).text
    assert "Not run: 3 blockers (2: not run: the run was ended by SIGTERM; 1: other reasons)." in text


def test_a_go_within_a_scope_is_for_a_part_only() -> None:
    outside = [record("kept apart", "out_of_scope", "blocker", reason="out of scope")]
    left_out = [record("other", "skipped", reason="not selected")]
    scoped = RunVerdict("toy 1.0", 0, decide([PASSED, *outside], "release", AcceptedIssues())).text
    assert (
        scoped == "GO for the selected part only, without 1 scenario out of scope: toy 1.0 (gate: release)."
    )
    both = decide([PASSED, *outside], "release", AcceptedIssues(), unselected=left_out)
    assert "without 1 scenario and 1 scenario out of scope: " in RunVerdict("toy 1.0", 0, both).text


def test_a_passing_run_after_a_no_go_of_the_same_command_is_no_go() -> None:
    decision = replace(decide([PASSED], "release", AcceptedIssues()), earlier_no_go="1, 3")
    code = exit_code([PASSED], [PASSED.location], decision, broken=False)
    why = "NO-GO in an earlier run of `--iterations` (number 1, 3)"
    assert RunVerdict("toy 1.0", code, decision).sentences[0] == (
        f"NO-GO: toy 1.0 must not go live (gate: release): {why}."
    )


def test_the_gate_regression_is_no_permission_to_go_live() -> None:
    text = RunVerdict("toy 1.0", 0, decide([PASSED, MIXED], "regression", AcceptedIssues())).sentences[0]
    rule = "under the gate release 1 known blocker would count"
    assert text == f"GO: toy 1.0 has no unlisted failure (gate: regression); {rule}."
