"""The temporary folder of a run, and the end of those whose run was killed.

SIGKILL leaves no time to tidy up, so each run first removes what dead ones left. The owner of a folder holds
a lock in it, which the system gives back when the owner dies, however that comes about.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from filelock import FileLock

PREFIX = "acceptance-run-"
_LOCK = "owner.lock"
# Past this age the lock alone tells whether the owner lives: its number may be another process' by now.
LOCK_IS_AUTHORITATIVE_AFTER = 60.0
KILL_SECONDS = 3.0
REMOVAL_ATTEMPTS = 3


def temp_prefix() -> str:
    """For temporary folders that stand outside a run's own one: `acceptance-run-<pid>-`."""
    return f"{PREFIX}{os.getpid()}-"


class RunDirectory:
    """A temporary folder that goes with its owner: removed by it, or by the next run when it was killed."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=temp_prefix()))
        self._lock: FileLock | None = None

    def lock(self) -> RunDirectory:
        """Say who owns it, and remove what dead runs left beside it.

        Within `SURE_SECONDS` of its making, the process in its name is enough of an owner.
        """
        # Not at the top: it takes a while, and the first worker is started before.
        from filelock import FileLock

        self._lock = FileLock(self.path / _LOCK)
        self._lock.acquire()
        sweep(self.path.parent)
        return self

    def remove(self) -> None:
        """May be called twice."""
        if self._lock is not None:
            self._lock.release(force=True)
        _remove(self.path)


def sweep(place: Path) -> list[Path]:
    """End the processes of dead runs and remove their folders in `place`; the folders that were removed."""
    swept = []
    for folder in sorted(place.glob(f"{PREFIX}*")):
        if not _abandoned(folder):
            continue
        _kill_processes(folder)
        _remove(folder)
        swept.append(folder)
    return swept


def _abandoned(folder: Path) -> bool:
    """Whether the owner of a folder is gone."""
    from filelock import FileLock, Timeout

    owner = folder.name.removeprefix(PREFIX).partition("-")[0]
    try:
        age = time.time() - folder.stat().st_mtime
    except OSError:
        return False
    lock = FileLock(folder / _LOCK, timeout=0)
    # A young folder may be about to be locked; one without a lock has only the number in its name.
    sure = age > LOCK_IS_AUTHORITATIVE_AFTER and (folder / _LOCK).exists()
    if not owner.isdigit() or (psutil.pid_exists(int(owner)) and not sure):
        return False
    try:
        with lock:
            return True
    except (Timeout, OSError):
        return False


def _remove(folder: Path) -> None:
    """Also when a process that nobody ended yet is writing into it."""
    for _ in range(REMOVAL_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        _kill_processes(folder)


def _kill_processes(folder: Path) -> None:
    for process in _processes_of(folder):
        with contextlib.suppress(psutil.Error):
            process.kill()
            process.wait(KILL_SECONDS)


def _processes_of(folder: Path) -> Iterator[psutil.Process]:
    """Those that name the folder on their command line, work in it, or have it as their home."""
    sign = f"{folder}{os.sep}"
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = [*process.cmdline(), process.cwd(), process.environ().get("HOME", "")]
            if process.pid != os.getpid() and any(sign in f"{word}{os.sep}" for word in words):
                yield process
