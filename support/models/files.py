"""The files of a model: their place and format; directories that are built once and shared by processes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Format = Literal["gguf", "safetensors", "ggml"]
FORMATS: tuple[Format, ...] = get_args(Format)
# Of the matrices in a GGUF file.
Quantisation = Literal["F16", "Q8_0", "Q4_0"]
QUANTISATIONS: tuple[Quantisation, ...] = get_args(Quantisation)

COMPLETE = ".complete"
"""Written last into an entry: file name -> size in bytes. Without it, or if sizes differ, it is rebuilt."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model on disk. file: the model file in `directory`; None where that is the model (SafeTensors)."""

    directory: Path
    file: str | None
    format: Format

    @property
    def path(self) -> Path:
        """The model file, or the directory where there is no single file."""
        return self.directory if self.file is None else self.directory / self.file


def build_once(entry: Path, build: Callable[[Path], None], wait: float = 180.0) -> Path:
    """The directory `entry`, filled by `build` unless it is complete; nothing is left when that raises.

    wait: seconds for another process that builds the same entry; then `filelock.Timeout`.
    """
    if is_complete(entry):
        return entry
    # Most processes find a complete entry: they start faster without the lock's package.
    from filelock import FileLock

    entry.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{entry}.lock", timeout=wait):
        if not is_complete(entry):
            _fill(entry, build)
    return entry


def is_complete(entry: Path) -> bool:
    """Whether an entry was finished and its files still have the sizes that they had then."""
    try:
        sizes = json.loads((entry / COMPLETE).read_text(encoding="utf-8"))
        return all((entry / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def _fill(entry: Path, build: Callable[[Path], None]) -> None:
    # The lock protects the part: one that a killed process has left is removed.
    part = entry.with_name(f"{entry.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        build(part)
        sizes = {file.name: file.stat().st_size for file in part.iterdir() if file.is_file()}
        (part / COMPLETE).write_text(json.dumps(sizes), encoding="utf-8")
        shutil.rmtree(entry, ignore_errors=True)
        part.replace(entry)
    finally:
        shutil.rmtree(part, ignore_errors=True)
