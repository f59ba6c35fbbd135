"""A full disk, and a folder that another run uses: what is printed, and what is left alone."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest

from support.errors import EXIT_FAILED, EXIT_HARNESS, EXIT_INTERRUPTED, EXIT_PASSED, SettingsError
from support.reporting import html, report_writer
from support.reporting.junit import write_junit
from support.reporting.report_writer import RunReports
from support.reporting.run_verdict import RunVerdict
from support.reporting.summary import counts_text
from support.results.accepted_issues import AcceptedIssue, AcceptedIssues
from support.results.check import CheckResult
from support.results.decision import Decision, decide
from support.results.record import Record, read_records
from support.servers.discovery import CommandTarget, UrlTarget
from support.servers.subject import Subject
from support.settings import load_settings

TARGET = CommandTarget(Path(sys.executable), "mistralrs", "0.8.1", "a test")
PASSED = Record("It passes", "Toys", "features/toys/toy.feature:3", "toys", "passed", start=1.0)
UNWRITTEN = ("records.jsonl", "JSON", "JUnit", "Summary")
FAILED = Record("It fails", "Toys", "features/toys/toy.feature:9", "toys", "failed", start=2.0, error="no")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The system refuses what a file has beyond so many bytes, as a full disk does."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunReports:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    resolved = load_settings({"acceptance_reports_dir": str(tmp_path / "r"), "acceptance_html": "false"})
    made = RunReports(resolved, Subject(TARGET))
    made.prepare()
    return made


@pytest.mark.parametrize(
    ("records", "code", "exit_code", "verdict"),
    [
        (
            [PASSED],
            EXIT_PASSED,
            EXIT_HARNESS,
            f"FAILED: 1 passed, 0 failed, 0 skipped; could not be written: {', '.join(UNWRITTEN)}",
        ),
        ([PASSED, FAILED], EXIT_FAILED, EXIT_FAILED, "FAILED: 1 passed, 1 failed, 0 skipped"),
    ],
)
def test_the_verdict_is_printed_and_then_what_could_not_be_written(
    reports: RunReports,
    records: list[Record],
    code: int,
    exit_code: int,
    verdict: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with largest_file(100):
        for record in records:
            reports.records.write(record)
        assert reports.finish(code, Decision("release"), suite="toy", started=time.time()) == exit_code
    printed = capsys.readouterr()
    assert printed.out.rstrip().splitlines()[-1] == verdict
    assert [line.split(": ")[2] for line in printed.err.splitlines()] == [
        *UNWRITTEN,
    ]
    assert "acceptance: could not be written: JSON: file too large" in printed.err


def test_an_accepted_failure_has_its_own_word_and_count_in_all_reports(
    reports: RunReports, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = AcceptedIssue("toy.wrong", "not used here", "ops", date(2026, 12, 31))
    wrong = CheckResult("toy.wrong", "it is checked", "toys", "must", "failed", actual="got 500")
    group = replace(FAILED, by_checks=True, checks=(wrong,))
    reports.records.write(PASSED)
    reports.records.write(group)
    for name, title in ((f"{group.feature}: {group.name}", group.name), (wrong.id, wrong.title)):
        result = {
            "fullName": name,
            "name": title,
            "status": "failed",
            "statusDetails": {"message": "got 500"},
        }
        (reports.results / f"{len(name)}-result.json").write_text(json.dumps(result))
    decision = decide([PASSED, group], "release", AcceptedIssues([entry]))
    assert reports.finish(EXIT_PASSED, decision, suite="toy", started=time.time()) == EXIT_PASSED
    printed = capsys.readouterr().out
    counts = "1 passed, 0 failed, 0 skipped, 1 accepted (until 2026-12-31, owner ops)"
    assert printed.rstrip().splitlines()[-1] == f"PASSED: {counts}"
    summary = (reports.folder / "summary.md").read_text()
    assert counts in summary
    assert "checks: 0 passed, 0 failed, 1 accepted" in printed
    assert "### Failed" not in summary and "\nFailed\n" not in printed
    report = json.loads((reports.folder / "report.json").read_text())
    assert report["summary"] == {
        "total": 2,
        "passed": 1,
        "failed": 1,
        "accepted": 1,
        "skipped": 0,
        "known_issues": 0,
    }
    shown = f"accepted by ops until 2026-12-31: {entry.reason}"
    rows = [(row["status"], row["verdict"], row.get("accepted")) for row in report["tests"]]
    assert rows == [("passed", "passed", None), ("failed", "failed", shown), ("failed", "failed", shown)]
    for file in reports.results.glob("*-result.json"):
        result = json.loads(file.read_text())
        message = result["statusDetails"]["message"]
        assert (result["status"], message) == ("unknown", f"{shown}\n\ngot 500")


def test_an_accepted_failure_passes_in_junit_with_who_accepted_it(tmp_path: Path) -> None:
    entry = AcceptedIssue(FAILED.name, "not used here", "ops", date(2026, 12, 31))
    decision = decide([FAILED], "release", AcceptedIssues([entry]))
    verdict = RunVerdict("toy 1.0", EXIT_PASSED, decision)
    suite = ElementTree.parse(write_junit(tmp_path, [decision.marked(FAILED)], verdict)[0]).getroot()
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("0", "0", "0")
    listed = {one.get("name"): one.get("value") for one in suite.iter("property")}
    shown = f"{FAILED.name}: accepted by ops until 2026-12-31: not used here"
    assert listed["accepted"] == shown
    # A known issue passes as one: it is accepted here only.
    of_the_decision = ElementTree.parse(tmp_path / "TESTS-decision.xml").findtext(".//system-out") or ""
    assert of_the_decision.splitlines()[-1] == shown


def test_what_fails_beside_an_accepted_check_is_failed() -> None:
    entry = AcceptedIssue("toy.wrong", "not used here", "ops", date(2026, 12, 31))
    wrong = CheckResult("toy.wrong", "it is checked", "toys", "must", "failed", actual="got 500")
    late = replace(FAILED, by_checks=False, checks=(wrong,))
    found = decide([late], "release", AcceptedIssues([entry])).marked(late)
    assert (found.status, found.checks[0].status) == ("failed", "accepted")
    assert counts_text([found]) == "0 passed, 1 failed, 0 skipped"


def test_a_run_with_a_report_that_cannot_be_written_is_no_go_in_all_others(
    reports: RunReports, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reports.records.write(PASSED)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(report_writer, "write_junit", full)
    assert reports.finish(EXIT_PASSED, Decision("release"), suite="toy", started=time.time()) == EXIT_HARNESS
    sentence = "NO-GO: mistralrs 0.8.1 must not go live (gate: release): could not be written: JUnit."
    printed = capsys.readouterr()
    assert sentence in printed.out
    assert "acceptance: could not be written: JUnit: no space left on device" in printed.err
    report = json.loads((reports.folder / "report.json").read_text())
    assert (report["decision"], report["exit_code"], report["text"]) == ("NO-GO", EXIT_HARNESS, sentence)
    assert sentence in (reports.folder / "summary.md").read_text()


def test_records_that_fit_are_kept_when_the_disk_becomes_full(reports: RunReports) -> None:
    reports.records.write(PASSED)
    with largest_file(reports.records.file.stat().st_size + 10):
        reports.records.write(FAILED)
    reports.records.write(FAILED)
    assert read_records(reports.records.file) == [PASSED]
    assert reports.records.latest() == [PASSED, FAILED]


def test_with_room_nothing_is_missing(reports: RunReports, capsys: pytest.CaptureFixture[str]) -> None:
    reports.records.write(PASSED)
    assert reports.finish(EXIT_PASSED, Decision("release"), suite="toy", started=time.time()) == EXIT_PASSED
    assert "could not be written" not in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="there is no lock of a folder")
def test_reports_of_another_user_are_named_as_not_permitted(
    reports: RunReports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container's run as root has left them, for example."""

    def rmtree(folder: Path, *, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise PermissionError(13, "Permission denied", str(folder))

    # Root may remove every folder, so no mode of it would be refused there.
    monkeypatch.setattr("support.reporting.report_writer.shutil.rmtree", rmtree)
    with pytest.raises(SettingsError, match=r"cannot be written \(permission denied\); choose another"):
        reports.prepare()


def test_a_second_run_at_the_same_time_needs_another_folder(reports: RunReports, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from support.reporting.files import lock_reports\n"
        "for folder in sys.argv[1:]: lock_reports(Path(folder))"
    )
    root = Path(__file__).parents[2]

    def lock(folder: Path) -> str:
        other = [sys.executable, "-c", script, str(folder)]
        return subprocess.run(other, cwd=root, capture_output=True, text=True, check=False).stderr

    # The same process may go on with another run, also in another folder.
    reports.prepare()
    RunReports(load_settings({"acceptance_reports_dir": str(tmp_path / "2")}), Subject(TARGET)).prepare()
    assert f"another run writes to the reports folder {reports.folder}: wait" in lock(reports.folder)
    assert "another run writes" in lock(tmp_path / "2")
    assert lock(tmp_path) == ""


@pytest.fixture
def with_page(reports: RunReports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunReports:
    """One that passed, with a page, and with a cache that has no program for it."""
    settings = {"acceptance_reports_dir": str(reports.folder), "acceptance_cache_dir": str(tmp_path / "c")}
    made = RunReports(load_settings(settings), Subject(TARGET))
    made.records.write(PASSED)
    (made.results / "1-result.json").write_text("{}")
    monkeypatch.setenv("PATH", str(tmp_path))
    return made


def test_without_its_programs_only_the_page_is_missing(
    with_page: RunReports, capsys: pytest.CaptureFixture[str]
) -> None:
    assert with_page.finish(EXIT_PASSED, Decision("release"), suite="toy", started=time.time()) == EXIT_PASSED
    printed = capsys.readouterr()
    assert printed.out.rstrip().splitlines()[-1] == "PASSED: 1 passed, 0 failed, 0 skipped"
    (line,) = printed.err.splitlines()
    assert line.startswith("acceptance: no HTML page: allure is not installed")
    assert line.endswith("acceptance get allure")


@pytest.mark.parametrize("code", [EXIT_PASSED, EXIT_INTERRUPTED])
def test_an_interruption_ends_the_page_and_no_other_report(
    with_page: RunReports, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built = []

    def build(*_args: object, **_options: object) -> None:
        built.append(EXIT_INTERRUPTED)
        (with_page.results / "executor.json").write_text('{"reportName": "GO"}')
        raise KeyboardInterrupt

    monkeypatch.setattr(html, "build", build)
    ended = with_page.finish(
        code,
        Decision("release"),
        suite="toy",
        started=time.time(),
        signalled=lambda: built[0] if built else None,
    )
    assert ended == EXIT_INTERRUPTED
    assert len(built) == (code == EXIT_PASSED)
    printed = capsys.readouterr()
    assert "acceptance: no HTML page: interrupted" in printed.err
    assert "FAILED: 1 passed, 0 failed, 0 skipped; interrupted" in printed.out
    assert_interrupted(with_page)


def assert_interrupted(reports: RunReports) -> None:
    """No report has another decision."""
    folder = reports.folder
    report = json.loads((folder / "report.json").read_text())
    assert (report["decision"], report["exit_code"], report["reasons"]) == (
        "NO-GO",
        EXIT_INTERRUPTED,
        ["interrupted"],
    )
    assert "must not go live (gate: release): interrupted" in (folder / "summary.md").read_text()
    assert "<failure" in (folder / "junit" / "TESTS-decision.xml").read_text()
    assert not [file for file in (folder / "index.html", reports.results / "executor.json") if file.exists()]


def test_a_signal_after_the_decision_is_the_decision_in_all_reports(
    with_page: RunReports, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(_results: Path, page: Path, **_options: object) -> Path:
        page.write_text("GO")
        return page

    monkeypatch.setattr(html, "build", build)
    with_page.interrupt(EXIT_INTERRUPTED)
    assert not (with_page.folder / "report.json").exists()
    assert with_page.finish(EXIT_PASSED, Decision("release"), suite="toy", started=time.time()) == EXIT_PASSED
    assert (with_page.folder / "index.html").is_file()
    with_page.interrupt(EXIT_INTERRUPTED)
    assert_interrupted(with_page)
    assert "FAILED: 1 passed, 0 failed, 0 skipped; interrupted" in capsys.readouterr().out
    with_page.interrupt(EXIT_INTERRUPTED)
    assert capsys.readouterr().out == ""


def test_the_pages_have_the_decision_of_an_interrupted_run_too(with_page: RunReports) -> None:
    known = CheckResult("toy.old", "it is old", "toys", "must", "known_issue", reason="answers 500")
    records = [replace(PASSED, name="A group", status="known_issue", checks=(known,))]
    for record in records:
        with_page.records.write(record)
    decision = decide(records, "release", AcceptedIssues())
    with_page.finish(EXIT_PASSED, decision, suite="toy", started=time.time())
    pages = [with_page.folder / name for name in report_writer.PAGES]
    assert [". GO: mistralrs 0.8.1 may go live" in page.read_text() for page in pages] == [True] * 2
    with_page.interrupt(EXIT_INTERRUPTED)
    for page in pages:
        text = page.read_text()
        assert "must not go live (gate: release): interrupted" in text
        assert "may go live" not in text
    attached = [file.read_text() for file in with_page.results.glob("*-attachment.html")]
    assert len(attached) == 2
    assert not [text for text in attached if "go live" in text], "the page of the run has the decision"


def test_the_decision_about_a_server_of_unknown_version_has_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    resolved = load_settings({"acceptance_reports_dir": str(tmp_path / "r"), "acceptance_html": "false"})
    unknown = UrlTarget("http://user:s3cret@host:1", (), "a test")
    for target, shown in ((unknown, True), (replace(unknown, program="toy", version="1.0"), False)):
        reports = RunReports(resolved, Subject(target))
        reports.prepare()
        reports.finish(EXIT_PASSED, Decision("release"), suite="toy", started=time.time())
        sentence = (
            "The server at http://(redacted)@host:1 states no version, so no known issue applies: "
            'set target_version (for example "mistralrs 0.9.2").'
        )
        text = json.loads((tmp_path / "r" / "report.json").read_text())["text"]
        assert (sentence in text) is shown
        assert (sentence in capsys.readouterr().out) is shown


@pytest.mark.parametrize("target", [TARGET, UrlTarget("http://host:1", (), "a test")])
def test_only_a_target_that_the_suite_starts_has_graphs_of_resources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: CommandTarget | UrlTarget
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "r"
    reports = RunReports(
        load_settings({"acceptance_reports_dir": str(folder), "acceptance_html": "false"}), Subject(target)
    )
    folder.mkdir()
    (folder / "resource-usage.csv").write_text("of an earlier run")
    reports.prepare()
    reports.print_header()
    reports.finish(EXIT_PASSED, Decision("release"), suite="toy", started=time.time())
    assert (folder / "resource-usage.csv").exists() is (target is TARGET)
