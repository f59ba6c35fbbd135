"""behave's own options in continuous integration: they work, or are refused in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.timeouts import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
FEATURE = ROOT / "features" / "openai_api" / "health.feature"


def behave(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "behave", *options, str(FEATURE)],
        cwd=folder,
        env={**os.environ, "ACCEPTANCE_TARGET": "reference"},
        capture_output=True,
        text=True,
        check=False,
        timeout=4 * PATIENCE,
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-f", "allure_behave.formatter:AllureFormatter", "-o", "made"), "would write each result twice"),
        (("--junit", "--junit-directory", "made"), "every run writes reports/junit"),
    ],
    ids=["allure", "junit"],
)
def test_a_report_that_a_run_makes_itself_is_refused(options: tuple[str, ...], words: str) -> None:
    done = behave(ROOT, *options)
    (line,) = done.stderr.splitlines()
    assert words in line
    assert "acceptance_reports_dir" in line
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--nosuch", "unrecognized arguments: --nosuch; `python -m behave --help` lists all options"),
        ("--tags=", "--tags: "),
        ("--name=(", "--name '(' is no regular expression"),
        ("--runner=x", "--runner 'x': the suite has its own runner; leave the option out"),
        ("--lang=xx", "--lang 'xx' is no language of Gherkin; leave it out"),
        ("--define==bar", "a name is missing before the = (from -D); give -D NAME=VALUE"),
    ],
)
def test_a_wrong_option_is_one_line_with_exit_code_2(option: str, words: str) -> None:
    done = behave(ROOT, option)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"acceptance: {words}")
    assert done.returncode == 2


def test_a_list_of_features_that_is_no_text_is_one_line_with_exit_code_2(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_bytes(b"features/\xff.feature\n")
    done = behave(ROOT, f"@{listed}")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"acceptance: @FILE in @{listed}")
    assert line.endswith("byte 0xff in line 1); save it as UTF-8")
    assert done.returncode == 2


def test_a_feature_outside_of_the_checkout_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    feature = tmp_path / "a.feature"
    feature.write_text("Feature: a\n  Scenario: b\n    Given c\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("acceptance"), "run", feature, "-D", "acceptance_target=reference"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=4 * PATIENCE,
    )
    (line,) = done.stderr.splitlines()
    assert line.startswith("acceptance: No steps directory in ")
    assert "; give a path below features/" in line
    assert done.returncode == 2


def test_a_formatter_is_refused_with_several_workers(tmp_path: Path) -> None:
    made = tmp_path / "made.json"
    done = behave(ROOT, "-f", "json", "-o", str(made), "-j", "2", "-D", f"acceptance_reports_dir={tmp_path}")
    (line,) = done.stderr.splitlines()
    assert line.startswith("acceptance: -f: a formatter needs one worker")
    assert done.returncode == 2


def test_a_dry_run_shows_its_scenarios_and_steps() -> None:
    done = behave(ROOT, "--dry-run")
    assert "Scenario: Health check routes return 200" in done.stdout
    assert 'When the "health check" cases of the OpenAI API are run' in done.stdout
    assert done.returncode == 0


def test_behave_in_another_folder_ends_with_one_line(tmp_path: Path) -> None:
    done = behave(tmp_path)
    assert done.stderr.splitlines() == [
        "acceptance: behave was not started in the checkout of the suite: start it there"
    ]
    assert done.returncode == 2
