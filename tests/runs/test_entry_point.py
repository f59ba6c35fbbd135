"""The options of `acceptance run`, in real runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.reporting.files import lock_reports
from tests.runs import servers, toy_suite
from tests.runs.cases import Case, Runs, url
from tests.runs.launching import ACCEPTANCE, BEHAVE, HERE, Run

BODY = "openai.chat.body.empty"
TWO = ("It fails", "It passes")


def past(*failed: str) -> Case:
    """A run of what failed in an earlier one, whose report says that these features did."""

    def prepare(folder: Path) -> None:
        tests = [{"location": f"features/toy/{name}:4", "name": name, "verdict": "failed"} for name in failed]
        (folder / "reports").mkdir()
        (folder / "reports" / "report.json").write_text(json.dumps({"tests": tests}))

    return Case(ACCEPTANCE, ("--rerun-failed",), scenarios=TWO, prepare=prepare)


def locked(command: tuple[str, ...], *words: str) -> Case:
    """A run in a folder of reports that this process writes to."""

    def prepare(folder: Path) -> None:
        kept = folder / "reports" / "iterations"
        kept.mkdir(parents=True)
        lock_reports(folder / "reports")
        for file in (kept / "1.json", kept.parent / "report.json"):
            file.write_text("{}")

    return Case(command, words, prepare=prepare)


# Every way to write to a folder of reports.
LOCKED = {
    "locked, acceptance run": locked(ACCEPTANCE),
    "locked, in-process": locked(HERE),
    "locked, behave": locked(BEHAVE),
    "locked, iterations": locked(ACCEPTANCE, "--iterations", "2"),
    "locked, rerun": locked(ACCEPTANCE, "--rerun-failed"),
    "locked, compare": locked((ACCEPTANCE[0], "compare"), "./program-good", "http://127.0.0.1:1"),
}


def cases(api: int) -> dict[str, Case]:
    identity = "features/binary_health/identity.feature"
    return {
        "strict": Case(ACCEPTANCE, ("--strict", identity), environment=url(api), real=True),
        "without known issues": Case(
            ACCEPTANCE, ("--gate", "strict"), scenarios=("It fails", "It passes"), known_issue="It fails"
        ),
        "same verdicts": Case(ACCEPTANCE, ("--iterations", "2"), scenarios=TWO),
        "other verdicts": Case(ACCEPTANCE, ("--iterations", "2"), scenarios=("It passes once", "It passes")),
        "rejected iterations": Case(ACCEPTANCE, ("--iterations", "2", "--tags", "smoke and and")),
        "list": Case(ACCEPTANCE, ("--list",), scenarios=TWO, program="hanging"),
        "list of nothing": Case(ACCEPTANCE, ("--list", "slow")),
        "list of cases": Case(ACCEPTANCE, ("--list", "--case", BODY), environment=url(1), real=True),
        "list of one case among others": Case(
            ACCEPTANCE,
            ("--list", "-D", f"acceptance_cases={BODY}", "features/openai_api/malformed_requests.feature"),
            environment=url(1),
            real=True,
        ),
        "case in another feature": Case(
            ACCEPTANCE,
            ("-D", f"acceptance_cases={BODY}", "features/openai_api/models.feature"),
            environment=url(api),
            real=True,
        ),
        "case with other tags": Case(
            ACCEPTANCE, ("--case", BODY, "--tags", "slow"), environment=url(api), real=True
        ),
        "list without needs": Case(ACCEPTANCE, ("--list", identity), environment=url(1), real=True),
        "two reports": Case(ACCEPTANCE, ("--report", "json", "--report", "junit", "--ci")),
        "target path": Case(
            ACCEPTANCE,
            ("--target", "./program-good"),
            program=None,
            prepare=lambda folder: toy_suite.program(folder, "good"),
        ),
        "target URL": Case(ACCEPTANCE, ("--target", url(api)["TARGET_URL"], "--verbose")),
        "no such target": Case(ACCEPTANCE, ("--target", "referense")),
        "model": Case(
            ACCEPTANCE,
            ("--model", "mine.gguf", "--skip-benchmarks"),
            prepare=lambda folder: (folder / "mine.gguf").write_bytes(b"GGUF"),
        ),
        "no such model": Case(ACCEPTANCE, ("--model", "mine.gguf")),
        "failed before": past("toy0.feature"),
        "nothing failed before": past(),
        "nothing before": Case(ACCEPTANCE, ("--rerun-failed",)),
        **(LOCKED if os.name == "posix" else {}),
    }


# Run -> exit code, and words that it has to say.
EXPECTED: dict[str, tuple[int, tuple[str, ...]]] = {
    "strict": (1, ("this run is strict", "set MISTRALRS_BIN")),
    "without known issues": (1, ("It fails", "1 passed, 1 failed")),
    "same verdicts": (1, ("run 2 of 2: 1 passed, 1 failed", "2 runs, identical verdicts")),
    "other verdicts": (1, ("2 runs, 1 scenario with different verdicts", "1 x passed, 1 x broken")),
    "rejected iterations": (2, ("smoke and and",)),
    "list": (0, ("toy0.feature:4  It fails  @normal", "2 scenarios selected, 0 would be skipped")),
    "list of nothing": (3, ("no scenario selected",)),
    "list of cases": (0, ("1 scenario selected", "      openai.chat.body.empty: ")),
    "list of one case among others": (0, ("1 scenario selected", f"      {BODY}: ")),
    "case in another feature": (
        3,
        (f"no selected scenario runs {BODY}", "features/openai_api/models.feature"),
    ),
    "case with other tags": (3, ("no scenario selected", f"cases {BODY}", "'slow'")),
    "list without needs": (0, ("command: unmet, requires a local binary", "would be skipped")),
    "two reports": (0, ("PASSED: 1 passed", "JUnit")),
    "target path": (0, ("mistralrs 9.9.9", "program-good")),
    "target URL": (0, ("server at http://127.0.0.1", "test_verbose = true")),
    "no such target": (2, ("'referense'", "a URL")),
    "model": (0, ("test_model_file = mine.gguf",)),
    "no such model": (2, ("'mine.gguf'", "a folder")),
    "failed before": (1, ("FAILED: 0 passed, 1 failed, 0 skipped",)),
    "nothing failed before": (3, ("nothing failed in the last run",)),
    "nothing before": (2, ("no report of an earlier run", "without --rerun-failed")),
    **(
        dict.fromkeys(LOCKED, (2, ("another run writes to the reports folder reports: wait",)))
        if os.name == "posix"
        else {}
    ),
}


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with servers.small_api() as (api, _):
        made = Runs(tmp_path_factory.mktemp("front"), cases(api))
        try:
            yield made
        finally:
            made.close()


def test_all_are_checked() -> None:
    assert cases(1).keys() == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_option(front: Runs, name: str) -> None:
    run: Run = front[name]
    code, words = EXPECTED[name]
    output = run.stdout + run.stderr
    assert run.exit_code == code, run.output
    assert not [word for word in words if word not in output], run.output
    assert not run.processes and not run.temporary, run.output
    assert "Traceback" not in run.stderr, run.output
    if code in (2, 3):
        assert len(run.stderr.splitlines()) == 1, run.output


@pytest.mark.parametrize("name", ["list", "list of nothing", "list of cases", "list without needs"])
def test_a_list_starts_nothing(front: Runs, name: str) -> None:
    assert not front[name].reports.exists()


def test_strict_reports_each_unmet_requirement_as_broken(front: Runs) -> None:
    assert set(front["strict"].verdicts.values()) == {"broken"}


def test_only_the_selected_reports_are_kept(front: Runs) -> None:
    kept = {entry.name for entry in front["two reports"].reports.iterdir()}
    assert {"report.json", "junit"} <= kept
    assert not kept & {"allure-results", "index.html"}
    assert "\x1b" not in front["two reports"].stdout


def test_each_iteration_is_kept(front: Runs) -> None:
    kept = front["other verdicts"].reports / "iterations"
    assert sorted(entry.name for entry in kept.iterdir()) == ["1.csv", "1.json", "2.csv", "2.json"]


def test_only_what_failed_runs_again(front: Runs) -> None:
    assert front["failed before"].verdicts == {"It fails": "failed"}


@pytest.mark.skipif(os.name == "nt", reason="there is no lock of a folder")
@pytest.mark.parametrize("name", LOCKED)
def test_a_run_without_the_lock_leaves_the_folder_as_it_is(front: Runs, name: str) -> None:
    reports = front[name].reports
    files = {str(file.relative_to(reports)): file.read_text() for file in reports.rglob("*.*")}
    assert files == {"report.json": "{}", "iterations/1.json": "{}"}
