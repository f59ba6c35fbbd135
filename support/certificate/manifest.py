"""The manifest of a folder: the SHA-256 of each file, in the form of `sha256sum` (coreutils)."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.errors import SettingsError
from support.results.safe_text import counted
from support.user_files import problem_of

NAME = "manifest.sha256"
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


@dataclass(frozen=True)
class Differences:
    """Files of a folder that its manifest does not describe."""

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    def __str__(self) -> str:
        """`changed: report.json; missing: 2 files (a, b)`; empty where there is none."""
        parts = (("changed", self.changed), ("missing", self.missing), ("added", self.added))
        return "; ".join(f"{word} {_named(names)}" for word, names in parts if names)


def write_manifest(folder: Path) -> str:
    """Write that of all files; its own SHA-256."""
    text = _text({name: sha256_of(folder / name) for name in _files(folder)})
    (folder / NAME).write_bytes(text.encode())
    return hashlib.sha256(text.encode()).hexdigest()


def check_manifest(folder: Path) -> tuple[Differences, str]:
    """What differs, and the manifest's own SHA-256; raises `SettingsError` for what cannot be read."""
    data = read(folder / NAME)
    listed = _parse(data)
    found = list(_files(folder))
    changed = tuple(name for name in found if name in listed and sha256_of(folder / name) != listed[name])
    differences = Differences(
        changed, tuple(sorted(listed.keys() - {*found})), tuple(sorted({*found} - listed.keys()))
    )
    return differences, hashlib.sha256(data).hexdigest()


def sha256_of(file: Path) -> str:
    """Of a file, or of a link itself; raises `SettingsError` where it cannot be read."""
    if file.is_symlink():
        # What it leads to may be anywhere.
        return hashlib.sha256(b"link " + os.fsencode(file.readlink())).hexdigest()
    if file.exists() and not file.is_file():
        # A named pipe may never end.
        raise SettingsError(f"{file} is no regular file")
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read ({problem_of(error)})") from None


def read(file: Path) -> bytes:
    """The content; raises `SettingsError`."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read ({problem_of(error)})") from None


def digest_of_files(files: Mapping[str, Path]) -> str:
    """One SHA-256 of several files by their names: that of their manifest."""
    text = _text({name: sha256_of(file) for name, file in files.items()})
    return hashlib.sha256(text.encode()).hexdigest()


def _files(folder: Path) -> list[str]:
    """All but the manifest itself; an empty folder is nothing.

    Raises `SettingsError` for a name that a line of a manifest cannot have.
    """
    names = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    ]
    for name in names:
        if name.splitlines() != [name] or name[0].isspace() or not _is_utf8(name):
            raise SettingsError(f"{folder} has a file with a name that no manifest can have: {name!a}")
    return sorted(name for name in names if name != NAME)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(digests: dict[str, str]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def _parse(data: bytes) -> dict[str, str]:
    """Raises `SettingsError` for what `write_manifest` does not write."""
    text = data.decode("utf-8", errors="replace")
    found = [_LINE.fullmatch(line) for line in text.splitlines()]
    digests = {line[2]: line[1] for line in found if line is not None}
    if not digests or _text(digests) != text:
        raise SettingsError(f"{NAME} is no manifest of a certificate; it was changed or damaged")
    return digests


def _named(names: tuple[str, ...]) -> str:
    if len(names) == 1:
        return names[0]
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{counted(len(names), 'file')} ({shown})"
