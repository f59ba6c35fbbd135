"""What every external program has in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Origin = Literal["setting", "PATH", "cache", "package"]
ReportProgress = Callable[[str], None]


@dataclass(frozen=True)
class InstalledProgram:
    """An installed program: its path, the version that it prints, and where it was found."""

    name: str
    path: Path
    version: str
    origin: Origin


class ExternalProgram(Protocol):
    """An external program with one owner. `get` is idempotent and raises `ProgramUnavailable`."""

    name: str
    purpose: str
    install_hint: str

    def find(self, cache: Path) -> InstalledProgram | None: ...

    def get(self, cache: Path, report_progress: ReportProgress) -> InstalledProgram: ...
