"""The temporary folder of a run, and the removal of the folders of killed runs.

A run that is killed by SIGKILL cannot clean up, so each run first removes what killed runs left. A run holds
a lock in its folder, which the system releases when the process ends, in whatever way.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from filelock import FileLock

PREFIX = "acceptance-run-"
_LOCK = "owner.lock"
# Past this age the lock alone decides whether the owner runs: its process id can be reused by then.
LOCK_IS_AUTHORITATIVE_AFTER = 60.0
KILL_SECONDS = 3.0
REMOVAL_ATTEMPTS = 3


def temp_prefix() -> str:
    """For temporary folders outside of the run directory: `acceptance-run-<pid>-`."""
    return f"{PREFIX}{os.getpid()}-"


class RunDirectory:
    """A temporary folder: removed by its owner, or by the next run when the owner was killed."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=temp_prefix()))
        self._lock: FileLock | None = None

    def lock(self) -> RunDirectory:
        """Lock it, and remove what killed runs left beside it.

        Until it is `LOCK_IS_AUTHORITATIVE_AFTER` seconds old, the process id in its name is enough.
        """
        # Not at the top: its import takes a while, and the first worker is started before.
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


def remove_own_folders() -> None:
    """Remove the temporary folders of this process: an interruption may come just after one was made."""
    remove_folders_of(os.getpid())


def remove_folders_of(pid: int) -> None:
    """Remove the temporary folders of a process that was killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}{pid}-*"):
        _remove(folder)


def sweep(place: Path) -> list[Path]:
    """End the processes of killed runs and remove their folders in `place`; the removed folders."""
    swept = []
    for folder in sorted(place.glob(f"{PREFIX}*")):
        if not _abandoned(folder):
            continue
        _kill_processes(folder)
        _remove(folder)
        swept.append(folder)
    return swept


def _abandoned(folder: Path) -> bool:
    """Whether the owner of a folder has ended."""
    from filelock import FileLock, Timeout

    owner = folder.name.removeprefix(PREFIX).partition("-")[0]
    try:
        age = time.time() - folder.stat().st_mtime
        has_lock = (folder / _LOCK).exists()
    except OSError:
        # It is gone, or another user's.
        return False
    lock = FileLock(folder / _LOCK, timeout=0)
    # A new folder may be about to be locked; one without a lock has only the process id in its name.
    sure = age > LOCK_IS_AUTHORITATIVE_AFTER and has_lock
    if not owner.isdigit() or (psutil.pid_exists(int(owner)) and not sure):
        return False
    try:
        with lock:
            return True
    except (Timeout, OSError):
        return False


def _remove(folder: Path) -> None:
    """Also when a process is still writing into it."""
    for _ in range(REMOVAL_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        _kill_processes(folder)


def _kill_processes(folder: Path) -> None:
    """Kill those with the folder on their command line, as their working directory, or as their home."""
    prefix = f"{folder}{os.sep}"
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            paths = [*process.cmdline(), process.cwd(), process.environ().get("HOME", "")]
            if process.pid != os.getpid() and any(prefix in f"{path}{os.sep}" for path in paths):
                process.kill()
                process.wait(KILL_SECONDS)
