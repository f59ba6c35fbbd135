"""`acceptance compare`: what is run first, with which options, and how the command ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from support import cli
from support.errors import EXIT_HARNESS, SettingsError
from support.runner.upgrade import compare_targets
from tests.reporting.test_run_comparison import report, row, write
from tests.timeouts import PATIENCE


@pytest.fixture
def earlier(tmp_path: Path) -> str:
    return str(write(tmp_path / "earlier", report(row("S"))))


def test_only_what_is_no_report_is_run(tmp_path: Path, earlier: str) -> None:
    calls: list[list[str]] = []

    def run(words: Sequence[str]) -> int:
        calls.append([*words])
        write(tmp_path / "comparison" / "new", report(row("S", "failed"), target="toy 2.0"))
        return 1

    code = compare_targets(earlier, "http://127.0.0.1:1", ["api", "--tags=smoke"], tmp_path, run)
    folder = tmp_path / "comparison" / "new"
    assert calls == [
        ["api", "--tags=smoke", "--target", "http://127.0.0.1:1", "-D", f"acceptance_reports_dir={folder}"]
    ]
    assert code == 1
    assert (tmp_path / "comparison.html").is_file()
    assert (tmp_path / "comparison.md").read_text().startswith("## ❌ NO-GO for the upgrade: ")


@pytest.mark.parametrize("code", [2, 3, 4, 130])
def test_a_run_that_did_not_check_all_ends_the_comparison(
    tmp_path: Path, earlier: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare_targets("reference", earlier, [], tmp_path, lambda _: code) == code
    assert f"ended with exit code {code}: nothing is compared" in capsys.readouterr().out
    assert not (tmp_path / "comparison.html").exists()


@pytest.mark.skipif(os.name == "nt", reason="there is no lock of a folder")
def test_reports_of_ended_runs_are_compared_while_a_run_writes_its_own(tmp_path: Path, earlier: str) -> None:
    other = str(write(tmp_path / "other", report(row("S"), target="toy 2.0")))
    reports = tmp_path / "reports"
    reports.mkdir()
    program = (
        "import pathlib, sys; from support.reporting.files import lock_reports; "
        "lock_reports(pathlib.Path(sys.argv[1])); print('locked', flush=True); input()"
    )
    words = [sys.executable, "-c", program, str(reports)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None and run.stdout.readline() == "locked\n"
        assert compare_targets(earlier, other, [], reports, lambda _: 0) == 0
        with pytest.raises(SettingsError, match="another run writes to the reports folder"):
            compare_targets(earlier, "reference", [], reports, lambda _: 0)
        run.communicate("\n")
    assert (reports / "comparison.html").is_file()


def test_nothing_is_run_before_both_are_known(tmp_path: Path) -> None:
    def run(_: Sequence[str]) -> int:
        raise AssertionError("it was run")

    with pytest.raises(SettingsError, match="'nothing' is no program, no URL and no folder"):
        compare_targets("reference", "nothing", [], tmp_path, run)
    with pytest.raises(SettingsError, match="OLD and NEW are the same: reference"):
        compare_targets("reference", "reference", [], tmp_path, run)


def test_a_selection_needs_a_run(tmp_path: Path, earlier: str) -> None:
    other = str(write(tmp_path / "other", report(row("S"))))
    with pytest.raises(SettingsError, match="api is for runs"):
        compare_targets(earlier, other, ["api"], tmp_path, lambda _: 0)


@pytest.mark.parametrize(
    ("verdict", "code", "first"),
    [
        ("passed", 0, "GO for the upgrade"),
        ("failed", 1, "NO-GO for the upgrade: 1 scenario that passes on 1.0 fails on 2.0."),
    ],
)
def test_command_ends_with_the_decision(
    tmp_path: Path, earlier: str, verdict: str, code: int, first: str
) -> None:
    new = write(tmp_path / "new", report(row("S", verdict), target="toy 2.0"))
    define = f"acceptance_reports_dir={tmp_path / 'reports'}"
    ended = CliRunner().invoke(cli.main, ["compare", earlier, str(new), "-D", define])
    assert ended.exit_code == code
    assert ended.output.startswith(first)


def test_page_that_cannot_be_written_costs_no_decision(tmp_path: Path, earlier: str) -> None:
    new = write(tmp_path / "new", report(row("S", "failed"), target="toy 2.0"))
    (tmp_path / "comparison.html").mkdir()
    define = f"acceptance_reports_dir={tmp_path}"
    ended = CliRunner().invoke(cli.main, ["compare", earlier, str(new), "-D", define])
    assert ended.exit_code == EXIT_HARNESS
    assert ended.output.startswith("NO-GO for the upgrade: ")
    assert "Traceback" not in ended.output


@pytest.mark.parametrize("content", ["{", json.dumps({"tests": []}), json.dumps(report(suite="other"))])
def test_command_rejects_wrong_input_in_one_line(tmp_path: Path, earlier: str, content: str) -> None:
    new = tmp_path / "new"
    new.mkdir()
    (new / "report.json").write_text(content)
    define = f"acceptance_reports_dir={tmp_path / 'reports'}"
    ended = CliRunner().invoke(cli.main, ["compare", earlier, str(new), "-D", define])
    assert ended.exit_code == 2
    assert re.fullmatch(r"acceptance: [^\n]+\n", ended.output)
    assert not (tmp_path / "reports").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_without_output_the_decision_is_on_standard_error(tmp_path: Path, earlier: str) -> None:
    new = write(tmp_path / "new", report(row("S", "failed"), target="toy 2.0"))
    words = ["compare", earlier, str(new), "-D", f"acceptance_reports_dir={tmp_path}"]
    command = [sys.executable, "-c", "from support.cli import main; main()", *words]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False
        )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("NO-GO for the upgrade: 1 scenario that passes on 1.0 fails on 2.0. 2 checks")
