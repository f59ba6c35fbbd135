"""Files that are written whole or not at all, and a folder that one process at a time writes to."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from support.errors import SettingsError
from support.user_files import problem_of

# Names in the folder of reports: of a run, and of the runs of `--iterations`.
REPORT, USAGE, ITERATIONS = "report.json", "resource-usage.csv", "iterations"

# The folders that this process has locked, by device and number of the file, with their descriptors.
_locked: dict[tuple[int, int], int] = {}


def lock_reports(folder: Path) -> None:
    """Lock a folder of reports until this process ends, before anything in it is read, removed or written.

    Raises `SettingsError` when another process has locked it. A folder that is not there has nothing to lock
    yet. No file is written for that. Windows and some network file systems have no such lock.
    """
    if sys.platform == "win32":
        return
    import fcntl

    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        # Not there, or no folder: `RunReports.prepare` makes it and locks it, or reports why it cannot.
        return
    status = os.fstat(descriptor)
    if (place := (status.st_dev, status.st_ino)) in _locked:
        os.close(descriptor)
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SettingsError(
            f"another run writes to the reports folder {folder}: wait for its end, or choose another folder "
            "with acceptance_reports_dir"
        ) from None
    except OSError:
        os.close(descriptor)
        return
    _locked[place] = descriptor


def prepare_folder(folder: Path) -> None:
    """Make and lock a folder of results, before what takes long.

    Raises `SettingsError` when nothing can be written there, or another run writes to it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock_reports(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SettingsError(f"the reports folder {folder} cannot be written ({problem_of(error)})") from None


def write_atomically(file: Path, data: bytes) -> Path:
    """A reader sees the old file or the new one, never a part."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        # mkstemp makes a file that only its owner can read; a report is for others.
        Path(name).chmod(0o644)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return file
