"""Aider: a program in a Python environment of its own.

It pins every dependency and needs a Python below 3.13, so it can be no dependency of the suite.
https://pypi.org/project/aider-chat/
"""

from __future__ import annotations

import os
import re
import sys
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
# The first one with all options that the suite uses, and with the modules that it imports (fork_server.py).
MINIMUM_VERSION = (0, 86)
# Prints the version of a package, without the configuration of its user.
_PRINT_VERSION = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
# Of programs that were found.
_versions: dict[tuple[Path, str], str] = {}


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
        """The same program in another version; raises `SettingsError` for one that is too old."""
        if version is not None and _is_too_old(version):
            raise SettingsError(f"setting aider_version = {version!r} is wrong: {_TOO_OLD}")
        return CodingAssistant(self.name, self._package, version or self._version, self.purpose)

    def folder(self, cache: Path) -> Path:
        return cache / self.name / self._version

    def locate(self, settings: Settings) -> InstalledProgram | None:
        """The one that a run uses, AIDER_BIN first; raises `SettingsError` when that does not run."""
        chosen = settings.aider_bin
        if chosen is None:
            return self.with_version(settings.aider_version).find(settings.acceptance_cache_dir)
        # pipx and `uv tool` install links to programs in environments.
        program = chosen.resolve()
        if problem := self._problem(program):
            raise SettingsError(
                f"setting aider_bin = {str(chosen)!r} is wrong: {problem}; give the path of an aider program"
            )
        return InstalledProgram(self.name, program, _version(program, self._package), "setting")

    def _problem(self, program: Path) -> str:
        """Why a program cannot be used, or an empty text."""
        if not program.is_file():
            return "it is a folder" if program.is_dir() else "there is no such file"
        if not os.access(program, os.X_OK):
            return "it is not executable"
        version = _version(program, self._package) if program.stem == self.name else ""
        if not version:
            return f"it is no program of the package {self._package} in a Python environment"
        return _TOO_OLD if _is_too_old(version) else ""

    def find(self, cache: Path) -> InstalledProgram | None:
        """The one in the cache: one on the PATH has any version, and other dependencies."""
        program = self.folder(cache) / SCRIPTS_FOLDER / f"{self.name}{EXECUTABLE_SUFFIX}"
        version = _version(program, self._package) if program.is_file() else ""
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


def _version(program: Path, package: str) -> str:
    """`0.86.2`, the version of its package; an empty text when its Python does not run, or does not have it.

    `--version` takes seconds, and fails where the user's own configuration has a mistake.
    """
    key = program, package
    if key not in _versions:
        found = printed_version(r"(\d\S*)", python_of(program), "-I", "-c", _PRINT_VERSION, package)
        if not found:
            return ""
        _versions[key] = found
    return _versions[key]


def _is_too_old(version: str) -> bool:
    return tuple(map(int, re.findall(r"\d+", version)[:2])) < MINIMUM_VERSION


_TOO_OLD = f"the suite uses options of Aider {'.'.join(map(str, MINIMUM_VERSION))} and newer"


AIDER = CodingAssistant("aider", "aider-chat", "0.86.2", "the coding assistant, for @needs.aider")
