"""What a killed run leaves is removed by the next one, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from support.programs.run_directory import PREFIX, RunDirectory, remove_own_folders, sweep, temp_prefix
from support.waiting import wait_until
from tests.timeouts import PATIENCE

OWNER = """
import sys, tempfile
from support.programs.run_directory import RunDirectory
folder = RunDirectory().lock()
print(folder.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def ended_pid() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_own_folder_stays_until_it_is_removed(place: Path) -> None:
    folder = RunDirectory().lock()
    assert sweep(place) == []
    assert folder.path.is_dir()
    folder.remove()
    folder.remove()
    assert not list(place.iterdir())


def test_killed_owner_is_swept_with_its_processes(place: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(place), "PYTHONPATH": str(Path.cwd())},
    )
    assert owner.stdin is not None and owner.stdout is not None
    folder = Path(owner.stdout.readline().strip())
    orphan = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=folder)
    try:
        assert folder.is_dir()
        assert sweep(place) == [], "its owner is alive"
        owner.kill()
        owner.wait()
        assert sweep(place) == [folder]
        assert not folder.exists()
        wait_until("the orphan is ended", lambda: orphan.poll() is not None, timeout=PATIENCE)
    finally:
        for process in (owner, orphan):
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()
        owner.stdout.close()


def test_folder_without_a_lock_belongs_to_the_number_in_its_name(place: Path) -> None:
    mine = Path(tempfile.mkdtemp(prefix=temp_prefix()))
    dead = place / f"acceptance-run-{ended_pid()}-abc"
    dead.mkdir()
    foreign = place / "acceptance-run-by-hand"
    foreign.mkdir()
    assert sweep(place) == [dead]
    assert mine.is_dir() and foreign.is_dir()


def test_the_next_run_sweeps(place: Path) -> None:
    dead = place / f"acceptance-run-{ended_pid()}-abc"
    dead.mkdir()
    folder = RunDirectory().lock()
    assert not dead.exists()
    folder.remove()


def test_a_number_that_is_another_process_by_now_does_not_matter(place: Path) -> None:
    old = Path(tempfile.mkdtemp(prefix=temp_prefix()))
    (old / "owner.lock").touch()
    assert sweep(place) == [], "it may be about to be locked"
    os.utime(old, (0, 0))
    assert sweep(place) == [old]


def test_the_folder_of_another_user_is_left_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ended each run of a machine on which someone else ran the suite."""
    folder = place / f"{PREFIX}{ended_pid()}-abc"
    folder.mkdir()
    os.utime(folder, (0, 0))

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    # Root may read every folder, so no mode of it would be refused there.
    with monkeypatch.context() as patched:
        patched.setattr(Path, "exists", refuse)
        assert sweep(place) == []
    assert folder.is_dir()


def test_the_folders_of_this_process_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an interruption between their creation and their use has left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = Path(tempfile.mkdtemp(prefix=temp_prefix()))
    (own / "stdout").write_text("")
    other = tmp_path / f"{PREFIX}{os.getpid()}1-x"
    other.mkdir()
    remove_own_folders()
    assert list(tmp_path.iterdir()) == [other]
