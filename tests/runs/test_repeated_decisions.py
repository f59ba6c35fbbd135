"""`tools/repeated_decisions.py`: the reports that differ are kept, and a signal leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.programs.process import child_preexec
from support.waiting import wait_until
from tests.timeouts import PATIENCE
from tools import repeated_decisions

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.engine
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_no_folder(tmp_path: Path, number: signal.Signals) -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "tools.repeated_decisions", "1", "reference"],
        cwd=PROJECT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=child_preexec(),
    )
    try:
        # The reports of the run have begun: the run must end before they are removed.
        wait_until(
            "the reports of the run",
            lambda: any(tmp_path.glob("acceptance-decisions-*/reference-1/*")),
            timeout=PATIENCE,
        )
        program.send_signal(number)
        assert program.wait(PATIENCE) == 128 + number
    finally:
        program.kill()
        program.wait()
    assert not list(tmp_path.glob("acceptance-*"))


@pytest.mark.parametrize(("blockers", "kept"), [("aa", ""), ("aba", "12"), ("abc", "123"), ("aab", "13")])
def test_the_reports_that_differ_are_kept(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    blockers: str,
    kept: str,
) -> None:
    seen = iter(blockers)

    def run(_way: str, reports: Path, _more: Sequence[str]) -> repeated_decisions.Outcome:
        blocker = next(seen)
        reports.mkdir()
        (reports / "report.json").write_text(json.dumps(blocker), encoding="utf-8")
        return repeated_decisions.Outcome("NO-GO", 1, (blocker,))

    monkeypatch.setattr(repeated_decisions, "_run", run)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (folder := tmp_path / "runs").mkdir()

    assert repeated_decisions.compare(len(blockers), ["real"], folder) == int(bool(kept))

    found = {file.name: json.loads(file.read_text()) for file in tmp_path.glob("*-kept-*/*")}
    assert found == {f"real-{turn}.json": blockers[int(turn) - 1] for turn in kept}
    assert ("the reports of both: " in capsys.readouterr().out) == bool(kept)
