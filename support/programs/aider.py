"""Aider, and its successor cecli: programs in Python environments of their own.

Both pin every dependency, and Aider needs a Python below 3.13: neither can be a dependency of the suite.
https://pypi.org/project/aider-chat/ and https://pypi.org/project/cecli-dev/
"""

from __future__ import annotations

import sys
from functools import cache as memoized
from pathlib import Path

from support.errors import ProgramUnavailable, SettingsError
from support.programs.install import (
    EXECUTABLE_SUFFIX,
    SCRIPTS_FOLDER,
    ExternalProgram,
    InstalledProgram,
    ReportProgress,
    find_uv,
    install,
    printed_version,
    replacing,
)
from support.settings import Settings

PYTHONS = ">=3.10,<3.13"
INSTALL_SECONDS = 900.0


class CodingAssistant(ExternalProgram):
    """A package of PyPI with a command, in `<cache>/<name>/<version>`."""

    unusable = "{folder} holds no program that runs; remove that folder and repeat"

    def __init__(self, name: str, package: str, version: str, purpose: str) -> None:
        self.name = name
        self.purpose = purpose
        self.install_hint = f"acceptance get {name}"
        self._package = package
        self._version = version

    def with_version(self, version: str | None) -> CodingAssistant:
        """The same program in another version."""
        return CodingAssistant(self.name, self._package, version or self._version, self.purpose)

    def folder(self, cache: Path) -> Path:
        return cache / self.name / self._version

    def locate(self, settings: Settings) -> InstalledProgram | None:
        """The one that a run uses, AIDER_BIN first; raises `SettingsError` when that does not run."""
        chosen = settings.aider_bin
        if chosen is None:
            return self.with_version(settings.aider_version).find(settings.acceptance_cache_dir)
        version = _version(chosen)
        if not version:
            raise SettingsError(
                f"setting aider_bin = {str(chosen)!r} is wrong: no Aider that runs; "
                "give the path of an aider program"
            )
        return InstalledProgram(self.name, chosen.absolute(), version, "setting")

    def find(self, cache: Path) -> InstalledProgram | None:
        """The one in the cache: one on the PATH has any version, and other dependencies."""
        program = self.folder(cache) / SCRIPTS_FOLDER / f"{self.name}{EXECUTABLE_SUFFIX}"
        version = _version(program) if program.is_file() else ""
        return InstalledProgram(self.name, program, version, "cache") if version else None

    def install(self, folder: Path, report_progress: ReportProgress) -> None:
        """With uv, which finds a suitable Python or fetches one; 600 MB."""
        uv = find_uv()
        if uv is None:
            raise ProgramUnavailable(
                f"{self.name}: uv is not found: `python3 tools/setup.py` fetches it, or set UV to its path"
            )
        report_progress(f"getting {self._package} {self._version} in an environment of its own (600 MB)")
        failure = f"{self._package} {self._version} could not be installed"
        with replacing(folder) as new:
            made = [uv, "venv", "--quiet", "--relocatable", "--python", _python(), str(new)]
            install(f"{failure}: no Python {PYTHONS}", made, timeout=INSTALL_SECONDS)
            package = f"{self._package}=={self._version}"
            command = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(new), package]
            install(failure, command, timeout=INSTALL_SECONDS)


def python_of(program: Path) -> Path:
    """The Python of the environment that a program was installed in."""
    return program.with_name(f"python{EXECUTABLE_SUFFIX}")


def _python() -> str:
    """This Python where it is suitable: no other has to be found or fetched."""
    return sys.executable if (3, 10) <= sys.version_info[:2] < (3, 13) else PYTHONS


@memoized
def _version(program: Path) -> str:
    """`0.86.2`, or an empty text when it does not run."""
    return printed_version(r"(?:aider|cecli)\S* (\d\S*)", program, "--version")


AIDER = CodingAssistant("aider", "aider-chat", "0.86.2", "the coding assistant, for @needs.aider")
CECLI = CodingAssistant("cecli", "cecli-dev", "1.10.0", "the successor of Aider, for @needs.cecli")
