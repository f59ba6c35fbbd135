"""git: Aider works on a repository, and the suite examines it."""

from __future__ import annotations

import re
import shutil
from functools import cache as memoized
from pathlib import Path

from support.errors import ProgramUnavailable
from support.programs.install import ExternalProgram, InstalledProgram, ReportProgress, printed_version

# The first one that prints the trailers of a commit (`%(trailers)`), which name Aider.
MINIMUM_VERSION = (2, 13)


class GitProgram(ExternalProgram):
    """The git of this machine, from the package manager of the system."""

    name = "git"
    purpose = "the repositories that Aider works on, for @needs.aider"
    install_hint = "apt-get install git (or brew install git)"

    def find(self, cache: Path) -> InstalledProgram | None:  # noqa: ARG002 - as of every program
        """The one on the PATH, when it is new enough."""
        program = shutil.which("git")
        version = _version(Path(program)) if program else ""
        found = tuple(map(int, re.findall(r"\d+", version)[:2]))
        if program is None or found < MINIMUM_VERSION:
            return None
        return InstalledProgram(self.name, Path(program), version, "PATH")

    def install(self, folder: Path, report_progress: ReportProgress) -> None:  # noqa: ARG002 - as of every program
        """Raises `ProgramUnavailable` with the command of a package manager."""
        oldest = ".".join(map(str, MINIMUM_VERSION))
        raise ProgramUnavailable(f"git {oldest} or newer is not on the PATH: {self.install_hint}")


@memoized
def _version(program: Path) -> str:
    """`2.39.5`, or an empty text when it does not run."""
    return printed_version(r"git version (\d\S*)", program, "--version")


GIT = GitProgram()
