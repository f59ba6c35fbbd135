"""Exit codes, messages and leftovers of real runs."""

from __future__ import annotations

import base64
import json
import re
import signal
from collections import Counter
from xml.etree import ElementTree

import pytest

from support.reporting.evidence import folder_name
from support.results.record import read_records
from support.results.redaction import REDACTED
from tests.runs import toy_suite
from tests.runs.cases import NAMES, SECRET_KEY, SECRET_PASSWORD, Runs
from tests.runs.launching import Run
from tests.runs.servers import is_closed
from tests.timeouts import PATIENCE

# Run -> exit code, as in `acceptance --help` and README.
CODES = {
    "passes by behave": 0,
    "passes by acceptance": 0,
    "real passes": 0,
    "known issue": 0,
    "known issue of a hook": 0,
    "leaves a child process": 0,
    "skipped": 0,
    "skipped, strict": 1,
    "fails by behave": 1,
    "every way": 1,
    "undefined": 1,
    "cleanup breaks": 1,
    "sys.exit": 1,
    "prints the key": 1,
    "fixed issue": 1,
    "real secret key": 1,
    "real secret password": 1,
    "real lacks needs": 3,
    "nothing selected": 3,
    "before_all": 4,
    "after_all": 4,
    "before_feature": 4,
    "unwritable reports": 2,
    "over budget": 5,
    "over budget and failed": 1,
    "never returns": 5,
    "never returns, here": 1,
    "process ends by behave": 1,
    "process ends by acceptance": 1,
    "process killed": 1,
    "killed at import": 4,
    "killed in before_all": 4,
    "killed between features": 4,
    "async": 5,
    "async cleanup": 1,
    "async hook": 4,
    "formatter raises": 4,
    "formatter cannot start": 4,
    "formatters chosen": 1,
    "here": 0,
    "here by behave": 1,
    "breakpoint": 1,
    "workers by behave": 0,
    "server hangs": 1,
    "server hangs, workers": 1,
    "first failure": 1,
    "first failure, here": 1,
    "all processes terminated": 143,
    "interrupted": 130,
    "interrupted twice": 130,
    "terminated": 143,
    "interrupted in C": 130,
    "reader ends": 0,
    "output closed": 0,
    "output closed by behave": 1,
    "output full": 0,
    "workers": 0,
    "workers apart": 0,
    "workers, one port": 0,
    "worker ends at once": 1,
    "worker killed": 1,
    "worker killed in a group": 1,
    "workers fail": 1,
    "workers before_all": 4,
    "workers, first failure": 1,
    "workers, over budget": 5,
    "workers interrupted": 130,
    "workers interrupted twice": 130,
    "workers terminated": 143,
    "coordinator killed": -signal.SIGKILL,
    "real terminated": 143,
}
# A second Ctrl-C ends the run at once; after the hard limit there is no process to write a report.
WITHOUT_OUTPUT = ("reader ends", "output closed", "output closed by behave", "output full")
CUT = (*WITHOUT_OUTPUT, "interrupted twice", "workers interrupted twice", "never returns, here")
WRITE_REPORTS = [name for name, code in CODES.items() if code in (0, 1, 5, 130, 143) and name not in CUT]

# Run that is rejected before anything starts -> what its one line has to contain.
REJECTED = {
    "unknown setting": ("test_prot", "-D", "test_port"),
    "optimised by behave": ("PYTHONOPTIMIZE", "assert", "unset it"),
    "optimised by acceptance": ("PYTHONOPTIMIZE", "assert", "unset it"),
    "unknown variable": ("ACCEPTANCE_HTLM", "environment variable", "acceptance_html"),
    "unknown group": ("a.feature:5", "'malformed body'", "malformed bodies"),
    "twins": ("'It is one'", "a.feature:5", "b.feature:5"),
    "jobs, no number": ("acceptance_jobs", "many", "0 to 64"),
    "jobs, too many": ("acceptance_jobs", "65", "0 to 64"),
    "wrong value": ("test_port", "many", "-D", "1 to 65535"),
    "unknown tag": ("@smok", "@smoke"),
    "broken tag expression": ("smoke and and slow",),
    "no features": ("empty",),
    "no such path by behave": ("'features/nowhere.feature'", "command line", "features/openai_api"),
    "no such path by acceptance": ("'openai_api/nowhere'", "command line", "give a suite (binary, "),
    "broken feature": ("b.feature", "line 1"),
    "no such program": ("no such program", "nowhere/mistralrs", "MISTRALRS_BIN"),
    "not executable": ("not executable", "program-good", "chmod"),
    "prints nothing": ("printed nothing", "program-silent", "mistralrs 0.8.1"),
    "hangs on --version": ("--version", "10 s", "program-hanging"),
    "unreachable URL": ("cannot be reached", "TARGET_URL", "(redacted)"),
    "silent URL": ("within 5 s", "TARGET_URL"),
    "port in use": ("test_port", "already in use", "leave it out"),
    "no Ollama at ollama_api": ("setting ollama_api", "no Ollama API", "/api/version has status 404"),
    "silent ollama_url": ("setting ollama_url", "no Ollama API", "within 5 s"),
    "model of no format": ("test_model_file", "'x.bin'", ".gguf or .ggml"),
    "no API at URL": ("no OpenAI API", "404", "/other"),
}


RUNS = NAMES

WITH_A_CHILD = ("leaves a child process", "interrupted", "interrupted twice", "terminated")
AFTER_A_SIGNAL = ("interrupted", "terminated", "all processes terminated")


def test_all_runs_are_checked() -> None:
    assert sorted([*CODES, *REJECTED]) == sorted(NAMES)


@pytest.mark.parametrize("name", CODES)
def test_exit_code(runs: Runs, name: str) -> None:
    run = runs[name]
    assert run.exit_code == CODES[name], run.output


@pytest.mark.parametrize("name", REJECTED)
def test_rejection_is_one_line(runs: Runs, name: str) -> None:
    run = runs[name]
    assert run.exit_code == 2, run.output
    lines = run.stderr.splitlines()
    assert len(lines) == 1, run.output
    assert lines[0].startswith("acceptance: "), run.output
    assert not [words for words in REJECTED[name] if words not in lines[0]], run.output
    assert "PASSED" not in run.stdout, run.output
    assert not (run.reports / "report.json").exists()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left(runs: Runs, name: str) -> None:
    run = runs[name]
    assert not run.processes, f"{run.processes}\n{run.output}"
    # A process that its hard limit or SIGKILL ends leaves its folder: the next run sweeps it.
    killed = name == "never returns, here" or run.exit_code == -signal.SIGKILL
    assert not run.temporary or killed, f"{run.temporary}\n{run.output}"
    assert "Traceback" not in run.stderr, run.output


@pytest.mark.parametrize(
    "name", [*WITH_A_CHILD, *(f"workers {name}" for name in WITH_A_CHILD[1:]), "coordinator killed"]
)
def test_no_port_is_left(runs: Runs, name: str) -> None:
    port = int((runs[name].folder / "port").read_text())
    assert is_closed(port)


@pytest.mark.parametrize("name", WRITE_REPORTS)
def test_reports_are_whole(runs: Runs, name: str) -> None:
    run = runs[name]
    report = run.report
    summary = report["summary"]
    scenarios = [row for row in report["tests"] if row["kind"] == "scenario"]
    assert summary["total"] == len(scenarios) == summary["passed"] + summary["failed"] + summary["skipped"]
    assert summary["total"] > 0
    assert report["checks"]["total"] == len(report["tests"]) - len(scenarios)
    for file in (run.reports / "junit").glob("*.xml"):
        ElementTree.parse(file)
    decision = ElementTree.parse(run.reports / "junit" / "TESTS-decision.xml").getroot()
    assert decision.get("failures") == ("0" if CODES[name] == 0 else "1")
    assert (report["decision"], report["exit_code"]) == ("GO" if CODES[name] == 0 else "NO-GO", CODES[name])
    assert f"\n{report['text'].partition(': ')[0]}: " in run.stdout
    code = f"exit code {CODES[name]}"
    assert f", {code}\n" in run.stdout
    assert f"; {code}\n" in (run.reports / "summary.md").read_text()
    assert f'name="exit_code" value="{CODES[name]}"' in ElementTree.tostring(decision, "unicode")
    page = run.reports / "index.html"
    assert not page.is_file() or f"{code.capitalize()}." in page.read_text()
    assert list((run.reports / "allure-results").glob("*-result.json"))
    last = run.stdout.strip().splitlines()[-1]
    assert last.startswith("PASSED: " if CODES[name] == 0 else "FAILED: "), run.output


@pytest.mark.parametrize("name", ["before_all", "after_all", "before_feature"])
def test_errors_of_hooks_outside_scenarios_are_reported(runs: Runs, name: str) -> None:
    run = runs[name]
    assert f"{name} gave up" in (run.reports / "report.json").read_text(), run.output
    assert "PASSED: " not in run.stdout, run.output


@pytest.mark.parametrize("name", [name for name, code in CODES.items() if code not in (0, -signal.SIGKILL)])
def test_never_green(runs: Runs, name: str) -> None:
    assert "PASSED: " not in runs[name].stdout, runs[name].output


def test_each_way_to_end_has_its_verdict(runs: Runs) -> None:
    run = runs["every way"]
    assert run.verdicts == {
        "It fails": "failed",
        "It breaks": "broken",
        "It is undefined": "broken",
        "Its hook breaks": "broken",
        "Its hook finds a defect": "failed",
        "It passes": "passed",
    }
    assert run.report["summary"]["failed"] == 5
    assert "expected 2, got 1" in run.test("It fails")["error"]
    assert "no room on the disk" in run.test("It breaks")["error"]
    assert "this step has no definition" in run.test("It is undefined")["error"]
    assert "no room for a scenario" in run.test("Its hook breaks")["error"]
    assert "the server died" in run.test("Its hook finds a defect")["error"]


def test_what_is_not_supported_is_skipped_with_its_reason(runs: Runs) -> None:
    run = runs["skipped"]
    assert run.verdicts == {
        "It is skipped half-way": "skipped",
        "It is skipped at its end": "skipped",
        "It passes": "passed",
    }
    reasons = [test.get("reason") for test in run.report["tests"] if test["verdict"] == "skipped"]
    assert reasons == ["the toy server has no such route"] * 2
    files = sorted((run.reports / "junit").glob("TESTS-toy*.xml"))
    assert [len(ElementTree.parse(file).findall(".//skipped")) for file in files] == [1, 1, 0]
    assert not list((run.reports / "evidence").glob("*"))


def test_a_server_that_hangs_is_reported_once_and_not_asked_again(runs: Runs) -> None:
    run = runs["server hangs"]
    assert list(run.verdicts.values()) == ["failed"] * 4 + ["skipped"] * 3, run.output
    assert run.verdicts["unresponsive server"] == "failed"
    assert "has not answered 3 requests in a row" in run.test("unresponsive server")["error"]
    assert "has not answered 3 requests in a row" in run.test("It is asked, a5")["reason"]
    assert "(harness)" not in run.stdout


def test_a_server_that_hangs_for_several_workers_is_reported_once(runs: Runs) -> None:
    run = runs["server hangs, workers"]
    counted = Counter(test["name"] for test in run.report["tests"])
    assert counted["unresponsive server"] == 1, run.output
    results = [
        json.loads(file.read_bytes()) for file in (run.reports / "allure-results").glob("*-result.json")
    ]
    assert [result["name"] for result in results].count("unresponsive server") == 1
    # Each worker notices it in its first file at most; in the others no request is sent.
    assert list(run.verdicts.values()).count("skipped") >= 12, run.output


def test_what_is_not_supported_fails_a_strict_run(runs: Runs) -> None:
    run = runs["skipped, strict"]
    assert run.verdicts == {"It is skipped at its end": "broken"}
    assert "the toy server has no such route" in run.test("It is skipped at its end")["error"]


def test_error_of_a_cleanup_is_reported(runs: Runs) -> None:
    found = runs["cleanup breaks"].test("Its cleanup breaks")
    assert found["verdict"] == "broken"
    assert "the port is still taken" in found["error"]


def test_sys_exit_in_a_step_is_an_error_and_the_run_continues(runs: Runs) -> None:
    run = runs["sys.exit"]
    assert run.verdicts == {"It calls sys.exit": "broken", "It passes": "passed"}, run.output


def test_known_issue_is_counted_and_does_not_gate(runs: Runs) -> None:
    run = runs["known issue"]
    assert run.verdicts == {"It fails": "known_issue", "It passes": "passed"}
    summary = run.report["summary"]
    assert (summary["passed"], summary["failed"], summary["known_issues"]) == (1, 0, 1)
    assert "one is not two here" in run.stdout


def test_known_issue_that_passes_is_a_failure(runs: Runs) -> None:
    run = runs["fixed issue"]
    assert run.verdicts == {"It passes": "failed", "It passes as well": "passed"}
    assert "remove the entry" in run.test("It passes")["error"]


def test_nothing_selected_is_reported_in_one_line(runs: Runs) -> None:
    run = runs["nothing selected"]
    assert re.fullmatch(r"acceptance: no scenario selected .*smoke and slow.*\n", run.stderr), run.output


def test_unmet_requirements_are_reported_with_their_remedy(runs: Runs) -> None:
    run = runs["real lacks needs"]
    assert set(run.verdicts.values()) == {"skipped"}
    assert "MISTRALRS_BIN" in (run.reports / "report.json").read_text()
    assert "nothing was checked" in run.stderr


def test_what_takes_too_long_is_interrupted_and_the_run_continues(runs: Runs) -> None:
    run = runs["over budget"]
    assert run.verdicts.pop("It passes") == "passed", run.output
    for test in run.report["tests"]:
        if test["name"] != "It passes":
            assert test["verdict"] == "failed", run.output
            assert "the scenario exceeded its budget of 1 s in " in test["error"], run.output
            assert 1 <= test["duration"] < PATIENCE, run.output
    assert "time.sleep(3600)" in run.test("It sleeps for ever")["error"], run.output
    assert "(in: Then the step sleeps for ever)" in run.test("It sleeps for ever")["error"], run.output
    assert not (run.reports / "stacks.txt").exists()


def test_what_cannot_be_interrupted_costs_its_process_and_nothing_else(runs: Runs) -> None:
    run = runs["never returns"]
    assert run.verdicts == {"It never returns from C": "failed", "It passes": "passed"}, run.output
    error = run.test("It never returns from C")["error"]
    assert error.startswith("the scenario exceeded its budget of 1 s in Then the step never returns from C")
    (folder,) = (run.reports / "evidence").iterdir()
    assert "in computes" in (folder / "stacks.txt").read_text()
    assert run.results["It never returns from C"]["status"] == "failed"


def test_without_workers_what_cannot_be_interrupted_ends_the_run_and_is_named(runs: Runs) -> None:
    run = runs["never returns, here"]
    stacks = run.reports / "stacks.txt"
    text = stacks.read_text()
    assert text.startswith("the scenario exceeded its budget of 1 s in Then the step never returns from C")
    assert "(scenario: It never returns from C)" in text
    assert "in computes" in text
    (begun,) = read_records(run.reports / "records.jsonl")
    assert (begun.name, begun.status) == ("It never returns from C", "broken")
    assert 1 <= stacks.stat().st_mtime - begun.start < PATIENCE


@pytest.mark.parametrize("name", [*AFTER_A_SIGNAL, "workers interrupted", "workers terminated"])
def test_signal_ends_in_order(runs: Runs, name: str) -> None:
    run = runs[name]
    number = signal.SIGINT if name.endswith("interrupted") else signal.SIGTERM
    assert (run.folder / "cleaned").exists(), "the cleanup did not run"
    assert run.verdicts["It waits"] != "passed"
    # Workers may have run it beside the other one.
    assert run.verdicts["It passes"] == "skipped" or name.startswith("workers")
    assert number.name in (run.reports / "report.json").read_text(), run.output


@pytest.mark.parametrize("name", [*AFTER_A_SIGNAL, "workers interrupted", "interrupted in C"])
def test_what_a_signal_interrupts_has_not_failed(runs: Runs, name: str) -> None:
    """Also when its worker has to be killed."""
    run = runs[name]
    title = "It never returns from C" if name.endswith("C") else "It waits"
    number = "SIGINT" if "interrupted" in name else "SIGTERM"
    assert run.test(title)["reason"] == f"interrupted: the run was ended by {number}"
    assert (run.verdicts[title], run.results[title]["status"], run.cases[title]) == (
        *("skipped", "skipped"),
        ["skipped"],
    )
    assert run.report["summary"]["failed"] == 0, run.output
    assert run.report["reasons"] == ["terminated" if number == "SIGTERM" else "interrupted"]
    assert f"acceptance: {number}: the run ends" in run.stderr
    assert "ABORTED" not in run.stderr


@pytest.mark.parametrize("name", WITHOUT_OUTPUT)
def test_without_output_the_decision_is_on_standard_error(runs: Runs, name: str) -> None:
    run = runs[name]
    assert run.report["exit_code"] == CODES[name]
    assert run.stderr.splitlines() == [run.report["text"]], run.output


def test_report_folder_that_cannot_be_written_is_reported(runs: Runs) -> None:
    run = runs["unwritable reports"]
    assert len(run.stderr.splitlines()) == 1, run.output
    assert "acceptance_reports_dir" in run.stderr, run.output


def everything(run: Run) -> str:
    files = [file for file in run.reports.rglob("*") if file.is_file()]
    return "\n".join(
        [
            run.stdout,
            run.stderr,
            *(file.read_bytes().decode("utf-8", "replace") for file in files),
        ]
    )


def test_key_is_sent_and_shown_nowhere(runs: Runs) -> None:
    run = runs["real secret key"]
    assert SECRET_KEY not in everything(run)
    assert "(redacted)" in run.stdout
    assert len(run.report["tests"]) > 10


def test_key_that_comes_back_is_shown_nowhere(runs: Runs) -> None:
    """The server of the one run answers with it; in the other it is printed, logged and raised."""
    pair = base64.b64encode(SECRET_KEY.encode()).decode()
    for name, words in (("real secret key", "no model today for"), ("prints the key", "refused for")):
        text = everything(runs[name])
        assert words in text
        assert SECRET_KEY not in text
        assert pair.rstrip("=") not in text
        assert base64.b64encode(f"Bearer {SECRET_KEY}".encode()).decode()[12:-4] not in text
    printed = runs["prints the key"]
    assert (
        f"refused for '{REDACTED}', {REDACTED}, Bearer {REDACTED}"
        in printed.test("It prints the key")["error"]
    )


def test_each_failure_leaves_its_evidence_and_nothing_else_does(runs: Runs) -> None:
    run = runs["real secret key"]
    # A test is a scenario or a check.
    failed = {
        folder_name(test["name"])
        for test in run.report["tests"]
        if test["verdict"] in ("failed", "broken", "known_issue")
    }
    folders = {folder.name: folder for folder in (run.reports / "evidence").iterdir()}
    assert set(folders) == failed
    one = next(folder for folder in folders.values() if (folder / "metrics-after.txt").exists())
    kept = {file.name for file in one.iterdir()}
    assert {"exchange-1.json", "repeat.sh", "settings.txt", "metrics-before.txt"} <= kept
    assert "answers_total" in (one / "metrics-after.txt").read_text()
    exchange = json.loads((one / "exchange-1.json").read_bytes())
    assert exchange["seconds"] > 0
    assert exchange["response"]["status"] == 500
    assert f"curl -sS -i -X {exchange['request']['method']}" in (one / "repeat.sh").read_text()


# Run -> the scenarios that leave a folder, and words that it has to have.
LATE = ("It-sleeps-for-ever", "It-loops-for-ever", "It-reads-a-stream-without-end", "Its-hook-hangs")
EVERY_WAY = ("It-fails", "It-breaks", "It-is-undefined", "Its-hook-breaks", "Its-hook-finds-a-defect")
LEAVE = {
    "cleanup breaks": {"Its-cleanup-breaks": "the port is still taken"},
    "fixed issue": {"It-passes": "remove the entry"},
    "known issue": {"It-fails": "known issue: one is not two here"},
    "over budget": dict.fromkeys(LATE, "exceeded its budget"),
    "worker killed": {"Its-process-ends": "the worker process ended (signal SIGKILL)"},
    "every way": dict.fromkeys(EVERY_WAY, ""),
}


@pytest.mark.parametrize("name", LEAVE)
def test_failures_that_are_found_late_leave_evidence_too(runs: Runs, name: str) -> None:
    folders = {folder.name: folder for folder in (runs[name].reports / "evidence").iterdir()}
    assert set(folders) == set(LEAVE[name]), runs[name].output
    for folder, words in LEAVE[name].items():
        assert words in (folders[folder] / "failure.txt").read_text()


@pytest.mark.parametrize("name", WRITE_REPORTS)
def test_the_summary_has_the_outcome_and_the_resources_of_the_target(runs: Runs, name: str) -> None:
    run = runs[name]
    text = (run.reports / "summary.md").read_text()
    assert text == (run.folder / "job.md").read_text()
    assert text.startswith("## ✅ GO" if run.exit_code == 0 else "## ❌ NO-GO: ")
    attached = [
        item["name"]
        for file in (run.reports / "allure-results").glob("*-globals.json")
        for item in json.loads(file.read_bytes())["attachments"]
    ]
    resources = ["resources of all processes of the target, added up", "resource-usage.csv"]
    if "http" in run.report["environment"]["target"]:
        # Nothing is measured of a server that the suite does not start: no graph of zeros.
        assert not (run.reports / "resource-usage.csv").exists()
        assert not {*attached} & {*resources}
        return
    lines = (run.reports / "resource-usage.csv").read_text().splitlines()
    assert lines[0].startswith("time,processes,cpu_percent,memory_bytes,threads,open_files")
    assert len(lines) > 1
    # The last two; a run that asked cases has the matrix of servers before.
    assert attached[-2:] == resources


def test_success_leaves_no_evidence(runs: Runs) -> None:
    assert not (runs["real passes"].reports / "evidence").exists()


@pytest.mark.parametrize("name", ["real secret password", "unreachable URL"])
def test_password_is_shown_nowhere(runs: Runs, name: str) -> None:
    pair = base64.b64encode(f"operator:{SECRET_PASSWORD}".encode()).decode()
    text = everything(runs[name])
    assert SECRET_PASSWORD not in text
    assert pair not in text


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("process ends by behave", "exit code 0"),
        ("process ends by acceptance", "exit code 0"),
        ("process killed", "signal SIGKILL"),
    ],
)
def test_a_step_that_ends_the_process_fails_and_the_run_continues(runs: Runs, name: str, how: str) -> None:
    run = runs[name]
    wanted = {
        "It runs before": "passed",
        "Its process ends": "broken",
        "It runs after": "passed",
        "It runs beside it": "passed",
    }
    assert run.verdicts == wanted, run.output
    message = f"the worker process ended ({how}) while this scenario ran"
    assert message in run.test("Its process ends")["error"]
    assert message in run.stdout
    assert {title: result["status"] for title, result in run.results.items()} == wanted
    assert run.cases == {
        "It runs before": [],
        "Its process ends": ["error"],
        "It runs after": [],
        "It runs beside it": [],
    }


@pytest.mark.parametrize(
    "name", ["process ends by behave", "process ends by acceptance", "worker ends at once"]
)
def test_last_output_of_a_process_is_evidence(runs: Runs, name: str) -> None:
    (folder,) = (runs[name].reports / "evidence").iterdir()
    output = (folder / "output-of-the-worker.txt").read_text()
    assert output.splitlines() == ["captured output", "last output", "output of a library"]


@pytest.mark.parametrize("name", ["killed at import", "killed in before_all", "killed between features"])
def test_a_process_that_ends_outside_scenarios_is_reported(runs: Runs, name: str) -> None:
    run = runs[name]
    assert "the worker process ended (signal SIGKILL) while no scenario ran" in run.stdout, run.output
    if name != "killed between features":
        assert run.verdicts == {"worker w1": "broken", "It passes": "skipped"}, run.output
        assert run.test("It passes")["reason"] == "not run: worker w1 failed"
        assert run.results["It passes"]["status"] == "skipped"
        assert run.cases == {"worker w1": ["error"], "It passes": ["skipped"]}


def test_an_async_step_is_awaited_within_its_budget(runs: Runs) -> None:
    run = runs["async"]
    assert run.verdicts == {
        "It awaits for ever": "failed",
        "It awaits a moment": "passed",
        "It passes": "passed",
    }
    assert "the scenario exceeded its budget of 1 s in " in run.test("It awaits for ever")["error"], (
        run.output
    )
    assert not run.stderr, run.output


def test_a_coroutine_that_is_not_awaited_is_rejected(runs: Runs) -> None:
    run = runs["async cleanup"]
    assert run.verdicts == {"Its cleanup is async": "broken", "It passes": "passed"}
    assert "the cleanup close is `async def`" in run.test("Its cleanup is async")["error"]
    hook = runs["async hook"]
    assert "the hook before_scenario of environment.py is `async def`" in hook.stdout, hook.output
    assert hook.verdicts["It passes"] == "skipped"


def test_a_formatter_that_raises_breaks_the_harness_and_not_the_run(runs: Runs) -> None:
    run = runs["formatter raises"]
    broken = {f"formatter Raising, {method}": "broken" for method in toy_suite.METHODS}
    assert run.verdicts == {"It passes": "passed"} | broken, run.output
    assert "LookupError: no such colour" in run.test("formatter Raising, step")["error"]
    other = runs["formatter cannot start"]
    (broken,) = [test for test in other.report["tests"] if test["verdict"] == "broken"]
    assert broken["name"] == "formatter toy_formatter:Raising, start", other.output


def test_formatters_of_behave_work(runs: Runs) -> None:
    run = runs["formatters chosen"]
    features = json.loads((run.folder / "own.json").read_bytes())
    assert [feature["status"] for feature in features] == ["passed", "failed"]
    assert "Then 1 is 2 ... failed" in run.stdout, run.output


def test_without_workers_all_runs_in_one_process(runs: Runs) -> None:
    assert runs["here by behave"].verdicts == {"It passes": "passed", "It fails": "failed"}
    (interval,) = (runs["here"].folder / "intervals.jsonl").read_text().splitlines()
    assert json.loads(interval)["worker"] == runs["here"].pid
    (interval,) = (runs["process ends by acceptance"].folder / "intervals.jsonl").read_text().splitlines()
    assert json.loads(interval)["worker"] != runs["process ends by acceptance"].pid


@pytest.mark.parametrize("name", ["first failure", "first failure, here", "workers, first failure"])
def test_what_did_not_run_is_in_every_report(runs: Runs, name: str) -> None:
    run = runs[name]
    assert run.verdicts["It is next"] == "skipped", run.output
    assert run.test("It is next")["reason"] == "not run: the run stopped at the first failure"
    assert run.results["It is next"]["status"] == "skipped"
    assert run.cases["It is next"] == ["skipped"]
    if not name.startswith("workers"):
        assert run.verdicts["It is in the next file"] == "skipped"
        assert run.cases == {
            "It fails": ["failure"],
            "It is next": ["skipped"],
            "It is in the next file": ["skipped"],
        }


@pytest.mark.parametrize("name", AFTER_A_SIGNAL)
def test_what_a_signal_prevented_has_its_reason(runs: Runs, name: str) -> None:
    number = "SIGINT" if name == "interrupted" else "SIGTERM"
    assert runs[name].test("It passes")["reason"] == f"not run: the run was ended by {number}"
    assert runs[name].cases["It passes"] == ["skipped"]
    # Allure's results have one for all: many take seconds on a busy machine.
    assert "It passes" not in runs[name].results
    one = runs[name].results["interrupted run"]
    assert (one["status"], one["statusDetails"]["message"]) == (
        "broken",
        f"1 scenario not run: the run was ended by {number}",
    )


def test_a_breakpoint_is_on_the_terminal_and_has_no_budget(runs: Runs) -> None:
    run = runs["breakpoint"]
    # Standard input is empty: the debugger ends at once.
    assert "-> breakpoint()" in run.stdout or "(Pdb) " in run.stdout, run.output
    assert run.verdicts == {"It is looked at": "broken", "It passes": "passed"}, run.output
