"""What a program with a fault leaves beside its plan: whether the fault was applied, and its own errors."""

from __future__ import annotations

from pathlib import Path

# The file is named as the plan, with this ending.
NOTES = ".notes"
APPLIED = "applied"


def add_note(file: Path, line: str) -> None:
    """One line more."""
    with file.open("a", encoding="utf-8") as notes:
        notes.write(f"{line}\n")
