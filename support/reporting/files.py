"""Files that are written whole or not at all, and a folder that one process at a time writes to."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

# Names in the folder of reports: of a run, and of the runs of `--iterations`.
REPORT, USAGE, ITERATIONS = "report.json", "resource-usage.csv", "iterations"

# The descriptor of the folder that this process has locked.
_locked: list[int] = []


def lock_folder(folder: Path) -> bool:
    """Lock an existing folder until this process ends or locks another one; False when another has locked it.

    No file is written for that. Windows and some network file systems have no such lock: always True there.
    """
    if sys.platform == "win32":
        return True
    import fcntl

    while _locked:
        os.close(_locked.pop())
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    except OSError:
        os.close(descriptor)
        return True
    _locked.append(descriptor)
    return True


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
