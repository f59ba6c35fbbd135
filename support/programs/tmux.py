"""tmux, a terminal program that can be looked at from outside."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from support.errors import ProgramUnavailable
from support.programs.program import InstalledProgram, ReportProgress

# The first one whose server can stay in the foreground (`-D`), so that it ends with its owner.
MINIMUM_VERSION = (3, 2)
VERSION_SECONDS = 10.0


class TmuxProgram:
    """The tmux of this machine: packages of systems have it, nothing of ours does."""

    name = "tmux"
    purpose = "a chat in a real terminal program, for @needs.tmux"
    install_hint = "apt-get install tmux (or brew install tmux)"

    def find(self, cache: Path) -> InstalledProgram | None:  # noqa: ARG002 - as of every program
        """The one on the PATH, when it is new enough."""
        program = shutil.which("tmux")
        version = _version(Path(program)) if program else ""
        found = tuple(map(int, re.findall(r"\d+", version)[:2]))
        return (
            InstalledProgram(self.name, Path(program), version, "PATH")
            if program and found >= MINIMUM_VERSION
            else None
        )

    def get(self, cache: Path, report_progress: ReportProgress) -> InstalledProgram:  # noqa: ARG002 - as of every program
        """Raises PartUnavailable with the system's command when it is not there."""
        found = self.find(cache)
        if found is None:
            oldest = ".".join(map(str, MINIMUM_VERSION))
            raise ProgramUnavailable(f"tmux {oldest} or newer is not on the PATH: {self.install_hint}")
        return found


@cache
def _version(program: Path) -> str:
    """`3.3a`, or an empty text when it does not run."""
    try:
        said = subprocess.run(
            [program, "-V"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.removeprefix("tmux ").strip()


TMUX = TmuxProgram()
