"""Records, Allure results and progress under real behave: nothing that failed is green or is missing."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

from support.results.record import read_records
from tests.reporting import toys
from tests.timeouts import PATIENCE

OUTCOMES = {
    "It passes": ("passed", "passed"),
    "It fails": ("failed", "failed"),
    "It breaks": ("broken", "broken"),
    "It is undefined": ("broken", "broken"),
    "Its hook before fails": ("broken", "broken"),
    "Its hook after fails": ("broken", "broken"),
    "Its cleanup fails": ("broken", "broken"),
    "It lacks a need": ("skipped", "skipped"),
    "It skips itself": ("skipped", "skipped"),
    "It is a known issue": ("known_issue", "unknown"),
    "It is measured": ("passed", "passed"),
    "A rule passes": ("passed", "passed"),
    "A rule fails": ("failed", "failed"),
    "It had passed": ("passed", "passed"),
    "Bodies that are not JSON are rejected": ("failed", "failed"),
    "before_feature (feature: Nothing gets to run)": ("broken", "broken"),
    "after_feature (feature: The end fails)": ("broken", "broken"),
}
CHECKS = {
    "an empty body is rejected": "passed",
    "an array is rejected": "failed",
    "a byte order mark is accepted": "unknown",
    "an empty upload is rejected": "skipped",
    "a late body is rejected": "skipped",
}
ROWS = {"1 is answered with 1": "passed", "2 is answered with 3": "failed"}


@pytest.mark.parametrize("name", OUTCOMES)
def test_each_outcome_is_reported_correctly(toy_run: toys.Run, name: str) -> None:
    record, allure = OUTCOMES[name]
    assert (toy_run.records[name].status, toy_run.allure[name]["status"]) == (record, allure)


def test_nothing_is_missing_or_added(toy_run: toys.Run) -> None:
    assert set(toy_run.allure) == set(OUTCOMES) | set(ROWS) | set(CHECKS)
    assert len(toy_run.records) == len(OUTCOMES) + len(ROWS)
    assert toy_run.stderr.count("report incomplete") == 1, "only the measure that is not a number"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("It fails", "expected 5, got 4"),
        ("It breaks", "connection refused"),
        ("It is undefined", "no step definition for: Then nobody has written this"),
        ("Its hook before fails", "before_scenario failed"),
        ("Its hook after fails", "after_scenario failed"),
        ("Its cleanup fails", "the port is still taken"),
        ("It lacks a need", "no GPU here; run it where there is one"),
        ("It skips itself", "the step has seen enough"),
        ("It is a known issue", "known issue: unknown routes answer 500"),
        ("before_feature (feature: Nothing gets to run)", "feature set-up failed"),
        ("after_feature (feature: The end fails)", "feature tear-down failed"),
    ],
)
def test_the_cause_is_shown(toy_run: toys.Run, name: str, message: str) -> None:
    record = toy_run.records[name]
    assert message in toy_run.allure[name]["statusDetails"]["message"]
    assert message.removeprefix("known issue: ") in record.error + record.reason


def test_control_characters_are_neutralised_everywhere(toy_run: toys.Run) -> None:
    assert "\\x1b[31mred\\x1b[0m [/bold] \\udc80" in toy_run.stdout
    assert "\x1b" not in toy_run.stdout
    assert "\x1b" not in toy_run.records["It fails"].error
    assert "\x1b" not in toy_run.allure["It fails"]["statusDetails"]["message"]


def test_a_known_issue_links_to_its_source(toy_run: toys.Run) -> None:
    test = toy_run.allure["It is a known issue"]
    assert [(link["type"], link["url"]) for link in test["links"]] == [
        ("issue", "https://example.org/issues/7")
    ]
    assert {"name": "tag", "value": "known-issue"} in test["labels"]
    assert "expected status 404, got 500" in test["statusDetails"]["message"]
    assert test["statusDetails"]["trace"] == "Traceback: toy"
    assert test["steps"][-1]["status"] == "failed"


def test_each_check_is_a_result_beside_its_scenario(toy_run: toys.Run) -> None:
    assert {title: toy_run.allure[title]["status"] for title in CHECKS} == CHECKS
    scenario = toy_run.allure["Bodies that are not JSON are rejected"]
    for title in CHECKS:
        check = toy_run.allure[title]
        assert check["titlePath"] == scenario["titlePath"], "they stand in one folder"
        labels = {label["name"]: label["value"] for label in check["labels"] if label["name"] != "tag"}
        assert labels["suite"] == "Groups of checks" and labels["severity"] == "critical"
        assert labels["subSuite"] == labels["story"] == "Bodies that are not JSON are rejected"
        assert labels["level"] in ("must", "should")


def test_a_failed_check_has_its_id_its_time_and_what_repeats_it(toy_run: toys.Run) -> None:
    test = toy_run.allure["an array is rejected"]
    assert test["fullName"] == "openai.chat.body.array"
    assert (test["start"], test["stop"]) == (1_700_000_000_000, 1_700_000_000_250)
    message = test["statusDetails"]["message"]
    assert message.startswith("status: expected 400 or 422, got 500: 'oops \\x1b[31m'\n")
    assert "expected: status 400 or 422\nsource: RFC 9110, 15.5.1\n" in message
    assert message.endswith("rerun: acceptance run --case openai.chat.body.array")
    (curl,) = test["attachments"]
    assert (toy_run.results / curl["source"]).read_bytes().startswith(b"curl -sS http://127.0.0.1:1/v1/")


def test_the_page_of_a_scenario_has_its_text_and_its_checks_side_by_side(toy_run: toys.Run) -> None:
    text = toy_run.allure["Bodies that are not JSON are rejected"]["descriptionHtml"]
    assert "Scenario: Bodies that are not JSON are rejected\n  Given a target\n</pre>" in text
    assert text.count(">as expected</td>") == 1
    rows = re.findall(r"<td[^>]*>(status 400 or 422)</td>\n<td[^>]*>(.*)</td>", text)
    row = ("status 400 or 422", "status: expected 400 or 422, got 500: &#39;oops \\x1b[31m&#39;")
    # The failure, and the known issue with the same response.
    known = f"{row[1]}<br><small>known issue: every error is a 500 (docs/findings.md#errors)</small>"
    assert rows == [row, (row[0], known)]
    assert "A toy with every way to end." in toy_run.allure["It passes"]["descriptionHtml"]


def test_the_page_of_a_known_issue_begins_with_its_reason(toy_run: toys.Run) -> None:
    text = toy_run.allure["It is a known issue"]["descriptionHtml"]
    assert text.startswith("<p><b>known issue: ") and "</b></p>" in text.splitlines()[0]


def test_the_page_of_a_check_has_its_request(toy_run: toys.Run) -> None:
    text = toy_run.allure["an array is rejected"]["descriptionHtml"]
    assert ">curl -sS http://127.0.0.1:1/v1/chat/completions</pre>" in text


def test_a_check_that_is_known_or_unsupported_has_its_reason(toy_run: toys.Run) -> None:
    known = toy_run.allure["a byte order mark is accepted"]
    assert known["statusDetails"]["message"].startswith(
        "known issue: every error is a 500 (docs/findings.md#errors)\n\nstatus: expected"
    )
    assert known["statusDetails"]["known"] and {"name": "tag", "value": "known-issue"} in known["labels"]
    unsupported = toy_run.allure["an empty upload is rejected"]
    assert unsupported["statusDetails"]["message"] == "no route POST /v1/files"


def test_checks_reach_the_records_in_order(toy_run: toys.Run) -> None:
    checks = toy_run.records["Bodies that are not JSON are rejected"].checks
    assert [check.title for check in checks] == list(CHECKS)
    assert "\\x1b[31m" in checks[1].actual


def test_labels_place_a_scenario(toy_run: toys.Run) -> None:
    labels = {label["name"]: label["value"] for label in toy_run.allure["A rule passes"]["labels"]}
    assert labels["epic"] == "OpenAI API"
    assert labels["feature"] == "Rules and rows"
    assert labels["story"] == labels["subSuite"] == "Arithmetic is kept"
    assert (labels["host"], labels["thread"]) == ("local", "w1")


def test_evidence_gets_the_extension_of_its_viewer(toy_run: toys.Run) -> None:
    attachments = {item["name"]: item for item in toy_run.allure["It is measured"]["attachments"]}
    assert {name: Path(item["source"]).suffix for name, item in attachments.items()} == {
        "server log": ".txt",
        "exchange": ".httpexchange",
        "plot": ".svg",
    }
    assert (toy_run.results / attachments["server log"]["source"]).read_bytes() == b"ready\n"


def test_measures_are_one_file_and_leave_out_what_is_not_a_number(toy_run: toys.Run) -> None:
    (file,) = toy_run.results.glob("*-perf.json")
    assert {sample["key"]: sample["value"] for sample in json.loads(file.read_bytes())} == {
        "load.gguf.seconds": 1.25,
        "decode.steady": 42.0,
    }
    assert "decode.speed" in toy_run.stderr


def test_a_step_that_was_not_reached_is_skipped(toy_run: toys.Run) -> None:
    statuses = [step["status"] for step in toy_run.allure["It fails"]["steps"]]
    assert statuses == ["passed", "passed", "failed", "skipped"]
    assert [step.status for step in toy_run.records["It fails"].steps] == statuses


def test_plain_output_is_one_line_per_scenario(toy_run: toys.Run) -> None:
    lines = toy_run.stdout.splitlines()
    assert "binary health: Version and help" in lines
    assert [line for line in lines if line.startswith("ok ") and line.endswith("binary health / It passes")]
    assert [line for line in lines if line.startswith("FAIL") and line.endswith("openai api / A rule fails")]
    assert [line for line in lines if line.startswith("know")]


def test_the_row_of_an_outline_is_shown_as_parameters(toy_run: toys.Run) -> None:
    for name, values in (("1 is answered with 1", ("1", "1")), ("2 is answered with 3", ("2", "3"))):
        parameters = toy_run.allure[name]["parameters"]
        assert [(item["name"], item["value"]) for item in parameters] == list(
            zip(("given", "wanted"), values, strict=True)
        )


def test_results_of_two_targets_are_no_retries(tmp_path: Path) -> None:
    options = ("--tags", "known", "-D")
    first = toys.behave(tmp_path / "A", *options, "target_label=A", binary_health__v=toys.VERSION)
    second = toys.behave(tmp_path / "B", *options, "target_label=B", binary_health__v=toys.VERSION)
    (one,), (other,) = first.allure.values(), second.allure.values()
    assert one["testCaseId"] != other["testCaseId"]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("before_all", "no room for before_all"),
        ("after_all", "after_all gave up"),
        ("run_cleanup", "the folder of the run is in use"),
    ],
)
def test_a_hook_of_the_run_is_never_all_green(tmp_path: Path, where: str, message: str) -> None:
    run = toys.behave(tmp_path, "-D", f"fail={where}", zoo__end=toys.BROKEN_END.replace("@broken_end", ""))
    broken = [record for record in run.records.values() if record.status == "broken"]
    assert [message in record.error for record in broken] == [True]
    assert [test["status"] for test in run.allure.values()].count("broken") == 1
    assert message in run.stdout
    assert run.exit_code == 1


def test_only_the_selected_scenarios_are_reported(tmp_path: Path) -> None:
    run = toys.behave(tmp_path, "--name", "It passes", binary_health__v=toys.VERSION)
    assert set(run.allure) == set(run.records) == {"It passes"}


def test_a_killed_run_names_the_scenario_that_it_died_in(tmp_path: Path) -> None:
    steps = "import os\nfrom behave import then\n\n@then('it dies')\ndef dies(_):\n    os.abort()\n"
    feature = (
        "Feature: Death\n\n  Scenario: It lives\n    Given a target\n\n"
        "  Scenario: It dies\n    Then it dies\n"
    )
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "death.py").write_text(steps)
    run = toys.behave(tmp_path, resilience__death=feature)
    assert run.exit_code == -6
    assert {name: record.status for name, record in run.records.items()} == {
        "It lives": "passed",
        "It dies": "broken",
    }
    assert "the process ended while this scenario ran" in run.records["It dies"].error
    cut = tmp_path / "reports" / "records.jsonl"
    cut.write_bytes(cut.read_bytes()[:-20])
    assert [record.name for record in read_records(cut)] == ["It lives"]


def test_a_terminal_that_is_narrow_ascii_and_closed_early_breaks_nothing(tmp_path: Path) -> None:
    feature = toys.BROKEN_END.replace("It had passed", "Überraschung: 日本語 [bold]").replace(
        "@broken_end", ""
    )
    env = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "COLUMNS": "8", "NO_COLOR": "1"}
    run = toys.behave(tmp_path, env=env, zoo__end=feature)
    assert run.exit_code == 0, run.stderr
    assert r"zoo / \xdcberraschung: \u65e5" in run.stdout


def test_on_a_terminal_there_is_a_progress_line(tmp_path: Path) -> None:
    toys.behave(tmp_path, binary_health__v=toys.VERSION)
    command = [sys.executable, "-m", "behave", "--no-summary", "--runner", toys.RUNNER, "-f", "live"]
    command.append("features")
    env = os.environ | {"PYTHONPATH": str(toys.ROOT), "HOME": str(tmp_path), "TERM": "xterm", "COLUMNS": "70"}
    env.pop("NO_COLOR", None)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=theirs, stderr=subprocess.DEVNULL)
    os.close(theirs)
    said = b""
    while select.select([ours], [], [], PATIENCE)[0]:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        said += part
    os.close(ours)
    assert process.wait(PATIENCE) == 1
    shown = said.decode()
    assert "11/11" in shown
    assert "FAIL" in shown and "expected 5, got 4" in shown
    assert "\\x1b[31mred" in shown, "a message may not colour the terminal"
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "the cursor is given back"
