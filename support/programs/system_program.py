"""Programs that come from the package manager of the system: found on the PATH, never installed."""

from __future__ import annotations

import re
import shutil
from functools import cache as memoized
from pathlib import Path

from support.errors import ProgramUnavailable
from support.programs.install import ExternalProgram, InstalledProgram, ReportProgress, printed_version


class SystemProgram(ExternalProgram):
    """`minimum`: the oldest version that is used; `pattern`: its first group is the printed version."""

    def __init__(self, name: str, purpose: str, minimum: tuple[int, int], option: str, pattern: str) -> None:
        self.name = name
        self.purpose = purpose
        self.install_hint = f"apt-get install {name} (or brew install {name})"
        self._minimum = minimum
        self._option = option
        self._pattern = pattern

    @property
    def needed(self) -> str:
        """`git 2.13 or newer`."""
        return f"{self.name} {'.'.join(map(str, self._minimum))} or newer"

    def find(self, cache: Path) -> InstalledProgram | None:  # noqa: ARG002 - as of every program
        """The one on the PATH, when it is new enough."""
        program = shutil.which(self.name)
        version = _version(Path(program), self._option, self._pattern) if program else ""
        found = tuple(map(int, re.findall(r"\d+", version)[:2]))
        if program is None or found < self._minimum:
            return None
        return InstalledProgram(self.name, Path(program), version, "PATH")

    def install(self, folder: Path, report_progress: ReportProgress) -> None:  # noqa: ARG002 - as of every program
        """Raises `ProgramUnavailable` with the command of a package manager."""
        raise ProgramUnavailable(f"{self.needed} is not on the PATH: {self.install_hint}")


@memoized
def _version(program: Path, option: str, pattern: str) -> str:
    """`3.3a`, or an empty text when it does not run."""
    return printed_version(pattern, program, option)


# The first tmux whose server can stay in the foreground (`-D`), so that it ends with its owner.
TMUX = SystemProgram("tmux", "a chat in a terminal multiplexer, for @needs.tmux", (3, 2), "-V", r"tmux (\S+)")
# The first git that prints the trailers of a commit (`%(trailers)`), which name Aider.
GIT = SystemProgram(
    "git",
    "the repositories that Aider works on, for @needs.aider",
    (2, 13),
    "--version",
    r"git version (\d\S*)",
)
