"""`acceptance prove` as a whole: faults that are detected, one that no check of the run sees, wrong usage."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from pathlib import Path

import pytest

from support.fault_injection import catalogue
from support.programs.process import CompletedCommand, run_command
from tests.timeouts import PATIENCE

ACCEPTANCE = Path(sys.executable).with_name("acceptance")


def prove(*words: str | Path) -> CompletedCommand:
    return run_command([ACCEPTANCE, "prove", *words], within=5 * PATIENCE, env=dict(os.environ))


def test_three_faults_and_a_harmless_variant_on_the_reference_server(tmp_path: Path) -> None:
    """Of an HTTP exchange, of a stream, of the command line."""
    faults = ("openai.usage.total", "openai.stream.no_done", "binary.version.exit_code")
    words = [word for name in faults for word in ("--fault", name)]
    done = prove(*words, "--target", "reference", "--reports-dir", tmp_path)
    assert done.exit_code == 0, done.describe()
    assert "3 of 3 faults detected, 3 by the expected check: at least 36.8% of such faults" in done.stdout
    proof = json.loads((tmp_path / "proof.json").read_text(encoding="utf-8"))
    assert [fault["verdict"] for fault in proof["faults"]] == ["detected"] * 3
    assert (proof["injected"], proof["catalogue"]) == (3, len(catalogue.faults()))
    assert {fault["by"][0] for fault in proof["faults"]} == {
        '"mistralrs -V" prints name and semantic version',
        "openai.chat.answer.single_choice",
        "openai.chat.stream.well_formed",
    }
    assert "`openai.stream.no_done`" in (tmp_path / "proof.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fault", "openai.nothing"], "; `acceptance prove --list` lists all faults"),
        (
            ["--capability", "nothing"],
            "acceptance: there is no capability 'nothing'; choose aider, binary_health, ",
        ),
        (["--fault", "openai.usage.total", "--target", "/nowhere"], "/nowhere"),
        (["--jobs", "0"], "'0' is no whole number from 1"),
        (["--list", "--every", "5", "--narrow"], "prove: --list runs nothing: leave out --every, --narrow"),
        (["--every", "5", "--repeat", "2"], "prove: --every injects no harmless variants to repeat: "),
    ],
)
def test_wrong_usage_is_one_line(words: list[str], message: str) -> None:
    done = prove(*words)
    assert (done.exit_code, message in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.describe()


def test_a_reports_folder_that_cannot_be_written_is_found_before_the_runs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = (
        "--fault",
        "openai.usage.total",
        "--target",
        "reference",
        "--reports-dir",
        tmp_path / "file" / "a",
    )
    done = prove(*words)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.describe()
    assert "cannot be written (a file is where a folder should be)" in done.stderr


def test_one_reports_folder_is_for_one_command_at_a_time(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        done = prove("--fault", "openai.usage.total", "--target", "reference", "--reports-dir", tmp_path)
    finally:
        os.close(descriptor)
    assert (done.exit_code, done.stdout) == (2, ""), done.describe()
    assert "another run writes to the reports folder" in done.stderr


STOPPED = """
import sys, tempfile
from pathlib import Path
from support.fault_injection.suite_process import SuiteProcess
from support.programs.run_directory import RunDirectory
from support.waiting import wait_until

def run(words):
    RunDirectory().lock()
    Path(words[-1]).touch()
    while True:
        pass

place = Path(sys.argv[1])
process = SuiteProcess(run, [str(place / "begun")], place / "output.txt", {})
wait_until("its start", lambda: (place / "begun").exists(), timeout=20)
assert list(place.glob("acceptance-run-*"))
process.stop()
print([path.name for path in place.glob("acceptance-run-*")])
"""


def test_a_run_that_is_stopped_leaves_no_temporary_folder(tmp_path: Path) -> None:
    done = run_command(
        [sys.executable, "-c", STOPPED, tmp_path],
        within=PATIENCE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert (done.exit_code, done.stdout) == (0, "[]\n"), done.describe()


def test_a_fault_that_the_target_cannot_show_is_one_line() -> None:
    """The reference server accepts tools from pages of other sites: a known issue."""
    done = prove("--fault", "mcp.errors.origin", "--target", "reference")
    assert done.exit_code == 2, done.describe()
    assert "mcp.errors.origin cannot be shown on mistralrs-reference" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_list_starts_nothing() -> None:
    done = prove("--list", "--capability", "mcp")
    assert done.exit_code == 0
    assert "mcp.session.initialize  (mcp, http)  " in done.stdout
