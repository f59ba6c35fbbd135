"""Grandchildren of a killed owner end with it; those of a living one are left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from support.programs.process import ProcessGroupReaper
from support.waiting import wait_until
from tests.timeouts import PATIENCE

OWNER = """
import os, signal, sys
from pathlib import Path
from support.programs.process import ProcessGroupReaper
from support.programs.process import ManagedProcess

note = Path(sys.argv[1])
process = ManagedProcess(["/bin/sh", "-c", 'sleep 60 & echo $! > "$0"; wait', str(note)], stdout=None)
reaper = ProcessGroupReaper(process.pid) if sys.argv[2] == "with" else None
while not note.exists() or not note.read_text().strip():
    pass
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a child outlives its killed owner as well")
def test_the_grandchild_of_a_killed_owner_ends(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    subprocess.run([sys.executable, "-c", OWNER, note, "with"], check=False, timeout=PATIENCE)
    grandchild = int(note.read_text())
    wait_until("the grandchild gone", lambda: not psutil.pid_exists(grandchild), timeout=PATIENCE)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a child outlives its killed owner as well")
def test_without_a_reaper_it_does_not(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    subprocess.run([sys.executable, "-c", OWNER, note, "alone"], check=False, timeout=PATIENCE)
    grandchild = int(note.read_text())
    try:
        assert psutil.pid_exists(grandchild)
    finally:
        os.kill(grandchild, signal.SIGKILL)


def test_a_released_reaper_kills_nothing() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as sleeper:
        reaper = ProcessGroupReaper(sleeper.pid)
        reaper.release()
        reaper.release()
        assert sleeper.poll() is None
        sleeper.kill()
