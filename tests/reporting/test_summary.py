"""Records, the JSON report and the closing text, on toy records."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from support.errors import AcceptanceError
from support.reporting.behave_events import capability_of, capability_title
from support.reporting.matrix import matrix_of
from support.reporting.rendering import render, run_summary
from support.reporting.report_json import build_report, write_report
from support.reporting.report_writer import budgets
from support.reporting.run_verdict import RunVerdict
from support.reporting.summary import (
    Budgets,
    budgets_of,
    check_counts,
    check_counts_text,
    contention_by_capability,
    counts,
    counts_text,
    totals_text,
)
from support.results.accepted_issues import AcceptedIssues
from support.results.check import CheckResult, CheckStatus
from support.results.decision import decide
from support.results.outcome import MatrixCell, Measurement, Status
from support.results.record import Record, StepRecord, read_records
from support.results.safe_text import indented, one_line, visible

TIMES = {"started": 1_700_000_000.0, "duration": 7.0}


def toy(name: str, status: Status, **fields: object) -> Record:
    values: dict[str, object] = {
        "feature": "Version",
        "location": f"features/binary_health/version.feature:{len(name)}",
        "capability": "binary_health",
        "start": 1_700_000_000.0,
        "duration": 1.0,
    }
    return Record(name=name, status=status, **(values | fields))  # type: ignore[arg-type]


RECORDS = [
    toy("good", "passed", output="hello", measures=(Measurement("load.s", "Load", 0.5, "s"),)),
    toy("wrong", "failed", error="expected 1\ngot 2", duration=7.0),
    toy("harmed", "broken", error="no disk"),
    toy("absent!", "skipped", reason="no GPU"),
    toy("absent too", "skipped", reason="no GPU"),
    toy("known one", "known_issue", error="500", reason="answers 500", source="https://example.org/7"),
]


def check(name: str, status: CheckStatus, **fields: str) -> CheckResult:
    return CheckResult(f"toy.{name}", f"{name} is checked", "toys", "must", status, **fields)  # type: ignore[arg-type]


GROUP = toy(
    "group",
    "failed",
    error="1 of 5 checks failed",
    by_checks=True,
    checks=(
        check("good", "passed"),
        check("wrong", "failed", expected="1", actual="expected 1\ngot 2", repeat="curl http://h"),
        check("listed", "known_issue", actual="got 500", reason="answers 500", reason_source="docs/x.md"),
        check("absent", "unsupported", reason="no such route"),
        check("late", "not_run", reason="no time"),
    ),
)


def verdict_of(
    records: list[Record],
    budgets: Budgets | None = None,
    *,
    go: bool = True,
    busy: dict[str, float] | None = None,
) -> RunVerdict:
    times = budgets_of(records, budgets or {}, busy or {})
    code = 0 if go else 5 if any(time.is_late for time in times) else 1
    return RunVerdict("toy 1.0", code, decide(records, "release", AcceptedIssues()), times)


def over_maximum(records: list[Record], limits: Budgets, busy: dict[str, float] | None = None) -> list[str]:
    return [time.capability for time in budgets_of(records, limits, busy or {}) if time.is_late]


def closing_text(
    records: list[Record], *, reports: dict[str, Path], duration: float, budgets: Budgets, passed: bool
) -> str:
    run = run_summary(records, duration=duration, verdict=verdict_of(records, budgets, go=passed))
    return render("closing.txt", reports=reports, **run)


def markdown(records: list[Record], *, target: str, duration: float, budgets: Budgets, passed: bool) -> str:
    verdict = replace(verdict_of(records, budgets, go=passed), target=target)
    run = run_summary(records, duration=duration, verdict=verdict)
    return render("summary.md", matrix=matrix_of(records), **run)


def test_every_record_is_counted_once() -> None:
    count = counts(RECORDS)
    assert count == {"total": 6, "passed": 1, "failed": 2, "skipped": 3, "known_issues": 1, "accepted": 0}


def test_the_report_has_the_form_of_the_issue(tmp_path: Path) -> None:
    report = build_report(RECORDS, verdict_of(RECORDS, go=False), suite="all", environment={}, **TIMES)
    file = write_report(tmp_path / "reports" / "report.json", report)
    read = json.loads(file.read_text())
    assert list(read) == [
        *(
            "suite",
            "timestamp",
            "duration",
            "decision",
            "text",
            "subject",
            "gate",
            "candidate",
            "exit_code",
            "reasons",
            "unselected",
            "out_of_scope",
        ),
        *("blockers", "causes", "accepted", "not_run", "known_issues_by_severity", "budgets"),
        *("summary", "checks", "environment", "tests"),
    ]
    assert read["decision"] == "NO-GO"
    assert [finding["id"] for finding in read["blockers"]] == ["wrong", "harmed"]
    assert read["timestamp"] == "2023-11-14T22:13:20Z"
    assert read["duration"] == 7.0
    assert {test["status"] for test in read["tests"]} == {"passed", "failed", "known_issue", "skipped"}
    for test in read["tests"]:
        assert {"name", "status", "duration"} <= set(test)
        assert ("output" in test) != ("error" in test)
    assert read["tests"][5]["verdict"] == "known_issue"
    assert [file.name for file in file.parent.iterdir()] == ["report.json"], "no temporary file is left"


def test_each_check_is_a_row_behind_its_scenario() -> None:
    report = build_report(
        [RECORDS[0], GROUP], verdict_of([GROUP], go=False), suite="all", environment={}, **TIMES
    )
    assert [(row["kind"], row["name"], row["status"], row["verdict"]) for row in report["tests"]] == [
        ("scenario", "good", "passed", "passed"),
        ("scenario", "group", "failed", "failed"),
        ("check", "toy.good", "passed", "passed"),
        ("check", "toy.wrong", "failed", "failed"),
        ("check", "toy.listed", "known_issue", "known_issue"),
        ("check", "toy.absent", "skipped", "unsupported"),
        ("check", "toy.late", "skipped", "not_run"),
    ]
    assert report["summary"] == {
        "total": 2,
        "passed": 1,
        "failed": 1,
        "skipped": 0,
        "known_issues": 0,
        "accepted": 0,
    }
    assert report["checks"] == {
        "total": 5,
        "passed": 1,
        "failed": 1,
        "accepted": 0,
        "known_issues": 1,
        "unsupported": 1,
        "not_run": 1,
    }
    wrong = report["tests"][3]
    assert (wrong["id"], wrong["title"], wrong["group"], wrong["level"], wrong["scenario"]) == (
        "toy.wrong",
        "wrong is checked",
        "toys",
        "must",
        "group",
    )
    assert (wrong["expected"], wrong["actual"], wrong["repeat"]) == (
        "1",
        "expected 1\ngot 2",
        "curl http://h",
    )
    listed = report["tests"][4]
    assert (listed["reason"], listed["reason_source"]) == ("answers 500", "docs/x.md")
    for row in report["tests"]:
        assert ("output" in row) != ("error" in row)


def test_a_group_shows_its_failed_checks_and_the_reasons_of_the_others() -> None:
    text = closing_text([RECORDS[0], GROUP], reports={}, duration=75.25, budgets={}, passed=False)
    assert "group\n      toy.wrong  wrong is checked: expected 1\n" in text
    assert "answers 500 (docs/x.md)\n      toy.listed  listed is checked\n" in text
    assert "Skipped\n  1 check: no such route\n  1 check: no time\n" in text
    assert text.splitlines()[-3:] == [
        "2 scenarios, 5 checks in 75.2s, exit code 1",
        "checks: 1 passed, 1 failed, 1 known issue, 1 unsupported, 1 not run",
        "FAILED: 1 passed, 1 failed, 0 skipped",
    ]
    page = markdown([RECORDS[0], GROUP], target="toy", duration=1, budgets={}, passed=False)
    assert "- **group** (`features/binary_health/version.feature:5`)\n" in page
    assert "  - `toy.wrong` wrong is checked: expected 1 (`acceptance run --case toy.wrong`)\n" in page
    assert "- answers 500 (docs/x.md)\n  - toy.listed listed is checked" in page.replace("\\", "")
    assert "Checks: 1 passed, 1 failed, 1 known issue, 1 unsupported, 1 not run" in page


def test_numbers_agree_with_their_nouns() -> None:
    assert totals_text([RECORDS[0]], 1) == "1 scenario in 1.00s"
    one = replace(GROUP, checks=GROUP.checks[:1])
    assert totals_text([one], 1) == "1 scenario, 1 check in 1.00s"
    assert totals_text([*RECORDS, GROUP], 1) == "7 scenarios, 5 checks in 1.00s"
    assert check_counts_text(RECORDS) == "" and check_counts(RECORDS)["total"] == 0


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    file = write_report(tmp_path / "report.json", {"suite": "old"})
    with pytest.raises(ValueError, match="Circular"):
        loop: dict[str, object] = {}
        loop["loop"] = loop
        write_report(file, loop)
    assert json.loads(file.read_text()) == {"suite": "old"}


def test_a_record_survives_its_line() -> None:
    record = toy(
        "all", "failed", steps=(StepRecord("Given", "x", "passed", 0.1),), tags=("a",), error="\udc80"
    )
    line = record.to_line()
    assert line.isascii() and line.count("\n") == 1
    assert Record.from_line(line) == record


def test_the_last_record_of_a_scenario_counts_and_other_rubbish_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text(toy("x", "broken").to_line() + toy("x", "passed").to_line())
    assert [record.status for record in read_records(file)] == ["passed"]
    assert not read_records(tmp_path / "absent")
    file.write_text("rubbish\n" + toy("x", "passed").to_line())
    with pytest.raises(AcceptanceError, match=r"records\.jsonl:1: not a result record"):
        read_records(file)


def test_the_closing_text_has_failures_reasons_reports_and_totals() -> None:
    text = closing_text(
        RECORDS, reports={"HTML": Path("reports/index.html")}, duration=75.25, budgets={}, passed=False
    )
    assert text.splitlines()[-2:] == [
        "6 scenarios in 75.2s, exit code 1",
        "FAILED: 1 passed, 2 failed, 2 skipped, 1 known issue",
    ]
    assert "features/binary_health/version.feature:5  wrong\n    expected 1" not in text
    assert "  features/binary_health/version.feature:5  wrong\n      expected 1\n" in text
    assert "harmed (harness)" in text
    assert "2 scenarios: no GPU" in text
    assert (
        "answers 500 (https://example.org/7)\n      features/binary_health/version.feature:9  known one"
        in text
    )
    assert "HTML         reports/index.html" in text


def test_time_of_compared_servers_is_in_no_budget() -> None:
    cells = (
        MatrixCell("ours", "passed", under_test=True, seconds=1.0),
        MatrixCell("other", "failed", seconds=8.0),
    )
    checks = (replace(GROUP.checks[0], cells=cells),)
    slow = [replace(toy("a", "passed", duration=11), checks=checks)]
    assert over_maximum(slow, {"binary_health": (5.0, 10.0)}) == []
    assert over_maximum([replace(slow[0], duration=19)], {"binary_health": (5.0, 10.0)}) != []


def test_slow_scenarios_are_in_no_budget() -> None:
    slow = toy("a", "passed", duration=60, tags=("slow", "critical"))
    assert over_maximum([slow], {"binary_health": (5.0, 10.0)}) == []
    assert over_maximum([replace(slow, tags=("critical",))], {"binary_health": (5.0, 10.0)}) != []


def test_the_headline_counts_known_issues_apart() -> None:
    assert counts_text(RECORDS) == "1 passed, 2 failed, 2 skipped, 1 known issue"
    assert counts_text([toy("good", "passed")]) == "1 passed, 0 failed, 0 skipped"


def results_of(records: list[Record], limits: Budgets, busy: dict[str, float] | None = None) -> list[str]:
    return [time.result for time in budgets_of(records, limits, busy or {})]


def test_budgets_warn_at_the_target_and_fail_at_the_maximum() -> None:
    limits = {"binary_health": (5.0, 10.0)}
    assert results_of([toy("a", "passed")], limits) == ["ok"]
    assert results_of([toy("a", "passed", duration=6)], limits) == ["over the target"]
    slow = [toy("a", "passed", duration=11)]
    assert over_maximum(slow, limits) == ["binary_health"]
    assert "OVER THE MAXIMUM" in closing_text(slow, reports={}, duration=11, budgets=limits, passed=False)


def test_budgets_are_not_evaluated_where_others_had_the_cpu() -> None:
    limits = {"binary_health": (5.0, 10.0)}
    slow = [toy("a", "passed", duration=11)]
    busy = contention_by_capability(slow, lambda _start, _end: 0.5)
    assert busy == {"binary_health": 0.5}
    assert over_maximum(slow, limits, busy) == []
    reason = "not evaluated, other processes had 50% of the CPU"
    assert results_of(slow, limits, busy) == [reason]
    shown = run_summary(slow, duration=11, verdict=verdict_of(slow, limits, busy=busy))
    page = render("summary.md", matrix=matrix_of(slow), **shown)
    assert f"| 5 s | 10 s | {reason} |" in page
    quiet = contention_by_capability(slow, lambda _start, _end: 0.1)
    assert over_maximum(slow, limits, quiet) == ["binary_health"]


def test_the_reason_stands_beside_a_verdict_without_failures() -> None:
    passed = [toy("a", "passed", capability="terminal_chat", duration=50)]
    late = verdict_of(passed, {"terminal_chat": (20.0, 40.0)}, go=False)
    shown = run_summary(passed, duration=1, verdict=late)
    lines = render("closing.txt", reports={}, **shown).splitlines()
    reason = "over the maximum time: Terminal chat"
    assert lines[-1] == f"FAILED: 1 passed, 0 failed, 0 skipped; {reason}"
    assert lines[0] == f"NO-GO: toy 1.0 must not go live (gate: release): {reason}."
    assert f"must not go live (gate: release): {reason}" in render(
        "summary.md", matrix=matrix_of(passed), **shown
    )


def test_many_blockers_that_were_not_run_for_one_reason_are_counted() -> None:
    def blockers(names: str, reason: str) -> list[Record]:
        return [toy(name, "skipped", tags=("blocker",), reason=reason) for name in names]

    records = [*blockers("abcd", "needs a GPU"), *blockers("xyz", "needs Aider")]
    page = markdown(records, target="toy 1.0", duration=1, budgets={}, passed=True)
    assert "\nBlockers that were not run: 4 (needs a GPU), `x`, `y`, `z` (needs Aider)\n" in page


def test_failures_of_one_cause_are_listed_below_it() -> None:
    cause = "toy (embedding) does not start: it panicked"
    records = [
        toy("lost", "failed", error="not ready on port 1", cause=cause),
        toy("lost too", "broken", error="not ready on port 2", cause=cause),
        GROUP,
    ]
    closing = closing_text(records, reports={}, duration=1, budgets={}, passed=False)
    assert "3 unlisted failures (2 causes)" in closing
    assert (
        "Failed\n"
        f"  2 failures of one cause: {cause}\n"
        "      features/binary_health/version.feature:4  lost\n"
        "      features/binary_health/version.feature:8  lost too\n"
        "  features/binary_health/version.feature:5  group\n"
        "      toy.wrong  wrong is checked: expected 1\n"
    ) in closing
    page = markdown(records, target="toy", duration=1, budgets={}, passed=False)
    assert "- 2 failures of one cause: toy (embedding) does not start: it panicked\n  - `lost`" in page
    report = build_report(records, verdict_of(records, go=False), suite="all", environment={}, **TIMES)
    assert [len(found["dependants"]) for found in report["causes"]] == [2, 1]


def test_budgets_grow_with_the_time_factor() -> None:
    slow = [toy("a", "passed", duration=11)]
    assert over_maximum(slow, budgets(1.0)) == ["binary_health"]
    assert over_maximum(slow, budgets(3.0)) == []
    assert results_of(slow, budgets(3.0)) == ["ok"]


@pytest.mark.parametrize(
    ("workers", "processors", "parity", "performance"),
    [
        (1, 2, (20, 40), (120, 300)),
        (2, 2, (40, 80), (120, 300)),
        (2, 16, (20, 40), (120, 300)),
        (1, 1, (40, 80), (120, 300)),
    ],
)
def test_workers_that_share_processors_have_longer_budgets(
    workers: int, processors: int, parity: tuple[float, float], performance: tuple[float, float]
) -> None:
    found = budgets(1.0, workers, processors)
    assert (found["parity"], found["performance"]) == (parity, performance)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("a\rb", "a\\x0db"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff", "\\udcff"),
        ("Überraschung 日本 🎉", "Überraschung 日本 🎉"),
    ],
)
def test_control_characters_become_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_short_texts() -> None:
    assert one_line("\n  first \nsecond") == "first"
    assert one_line("x" * 200, 10) == "x" * 9 + "…"
    assert one_line("the texts differ:\n\n  'a' and 'b'\nmore") == "the texts differ: 'a' and 'b'"
    assert one_line("the texts differ:") == "the texts differ:"
    assert indented("a\n\nb\n", "  ") == "  a\n\n  b"


@pytest.mark.parametrize(
    ("file", "capability", "title"),
    [
        ("features/openai_api/chat.feature", "openai_api", "OpenAI API"),
        ("/x/features/y/features/binary_health/a/b.feature", "binary_health", "Binary health"),
        ("features/a.feature", "general", "General"),
        ("toy/a.feature", "toy", "Toy"),
    ],
)
def test_the_folder_names_the_capability(file: str, capability: str, title: str) -> None:
    assert (capability_of(file), capability_title(capability)) == (capability, title)


def test_the_markdown_has_failures_reasons_and_times() -> None:
    text = markdown(
        RECORDS, target="toy <1.0>", duration=75.3, budgets={"binary_health": (5, 10)}, passed=False
    )
    assert text.startswith(
        "## ❌ NO-GO: toy \\<1.0\\> must not go live (gate: release): "
        "2 unlisted failures, over the maximum time: Binary health.\n"
    )
    assert "1 passed, 2 failed, 2 skipped, 1 known issue; 6 scenarios in 75.3s; exit code 5\n" in text
    assert "- **wrong** (`features/binary_health/version.feature:5`)\n\n  expected 1\n" in text
    assert "  harness: no disk\n" in text
    assert (
        "- answers 500 (https://example.org/7)\n  - features/binary\\_health/version.feature:9 known one\n"
        in text
    )
    assert "- 2 scenarios: no GPU" in text
    assert "| Binary health | 12.0s | 5 s | 10 s | OVER THE MAXIMUM |" in text
    assert "| normal, unlisted | expected 1 | `wrong` |" in text


def test_markdown_of_a_green_run_is_short_and_takes_any_text() -> None:
    text = markdown([toy("a|b *c* `d`\n# e", "passed")], target="toy", duration=1, budgets={}, passed=True)
    assert text.startswith("## ✅ GO: toy may go live (gate: release).\n")
    assert "###" in text and "Failed" not in text
    failed = markdown(
        [toy("a|b `d`\n# e", "failed", error="<b>\x1b[31m")],
        target="toy",
        duration=1,
        budgets={},
        passed=False,
    )
    assert "- **a\\|b \\`d\\` \\# e**" in failed
    assert "\\<b\\>\\\\x1b\\[31m" in failed
