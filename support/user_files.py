"""Reads the files that a user may write: settings, lists of issues."""

from __future__ import annotations

from pathlib import Path


def read_regular_file(file: Path) -> bytes:
    """Its bytes; raises OSError, also for anything but a regular file: a named pipe may never end."""
    if file.is_dir():
        raise OSError("it is a folder, not a file")
    if file.exists() and not file.is_file():
        raise OSError("it is no regular file")
    return file.read_bytes()


def problem_of(error: Exception) -> str:
    """Why a file cannot be used, for a message of one line, without the words and numbers of Python."""
    if isinstance(error, UnicodeDecodeError):
        line = error.object[: error.start].count(b"\n") + 1
        encoding = error.encoding.upper()
        return f"it is no text in {encoding}: byte 0x{error.object[error.start]:02x} in line {line}"
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "a file is where a folder should be"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return " ".join(str(error).split())


def problem_with_name(error: OSError) -> str:
    """The same after the name of the file, which an OSError may have."""
    return f"{error.filename}: {problem_of(error)}" if error.filename is not None else problem_of(error)


def remedy_of(error: Exception, remedy: str) -> str:
    """`remedy` for wrong content; a file that cannot be read has another one."""
    if isinstance(error, UnicodeDecodeError):
        return "save it as UTF-8"
    return "give a file that can be read" if isinstance(error, OSError) else remedy
