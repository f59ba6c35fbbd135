"""Reads the files that a user may write: settings, lists of issues."""

from __future__ import annotations

from pathlib import Path


def read_regular_file(file: Path) -> bytes:
    """Its bytes; raises OSError, also for anything but a regular file: a named pipe may never end."""
    if file.exists() and not file.is_file():
        raise OSError("it is no regular file")
    return file.read_bytes()
