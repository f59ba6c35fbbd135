"""tmux, a terminal multiplexer: its windows can be read from outside."""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path

from support.errors import ProgramUnavailable
from support.programs.install import ExternalProgram, InstalledProgram, ReportProgress, printed_version

# The first one whose server can stay in the foreground (`-D`), so that it ends with its owner.
MINIMUM_VERSION = (3, 2)


class TmuxProgram(ExternalProgram):
    """The tmux of this machine, from the package manager of the system."""

    name = "tmux"
    purpose = "a chat in a terminal multiplexer, for @needs.tmux"
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

    def install(self, folder: Path, report_progress: ReportProgress) -> None:  # noqa: ARG002 - as of every program
        """Raises `ProgramUnavailable` with the command of a package manager."""
        oldest = ".".join(map(str, MINIMUM_VERSION))
        raise ProgramUnavailable(f"tmux {oldest} or newer is not on the PATH: {self.install_hint}")


@cache
def _version(program: Path) -> str:
    """`3.3a`, or an empty text when it does not run."""
    return printed_version(r"tmux (\S+)", program, "-V")


TMUX = TmuxProgram()
