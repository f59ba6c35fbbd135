"""Aider, and its successor cecli: programs in Python environments of their own.

Aider pins every dependency and needs a Python below 3.13, so it can be no dependency of the suite.
https://pypi.org/project/aider-chat/, https://pypi.org/project/cecli-dev/
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from support.errors import SettingsError
from support.programs.install import (
    EXECUTABLE_SUFFIX,
    SCRIPTS_FOLDER,
    ExternalProgram,
    InstalledProgram,
    ReportProgress,
    install,
    printed_version,
    replacing,
    require_uv,
)
from support.settings import Settings

PYTHONS = ">=3.10,<3.13"
INSTALL_SECONDS = 900.0
# Versions for a package that does not pin its dependencies itself: `<name>-<version>.txt`.
DEPENDENCIES = Path(__file__).with_name("dependencies")
# Prints the version of a package, without the configuration of its user.
_PRINT_VERSION = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
# Of programs that were found.
_versions: dict[tuple[Path, str], str] = {}


class CodingAssistant(ExternalProgram):
    """A package of PyPI with a command, in `<cache>/<name>/<version>`.

    `minimum`: the first version with all options that the suite uses, and with the modules that it imports
    (fork_server.py). `size` of the environment, for the reports. Its settings are `<name>_bin` and
    `<name>_version`.
    """

    unusable = "{folder} holds no program that runs; remove that folder and repeat"

    def __init__(
        self, name: str, package: str, version: str, purpose: str, *, minimum: tuple[int, int], size: str
    ) -> None:
        self.name = name
        self.purpose = purpose
        self.install_hint = f"acceptance get {name}"
        self.size = size
        self._package = package
        self._version = version
        self._minimum = minimum

    @property
    def title(self) -> str:
        """Its name in a sentence."""
        return "Aider" if self.name == "aider" else self.name

    @property
    def remedy(self) -> str:
        """How to get it, where it is missing."""
        return f"`{self.install_hint}` installs it ({self.size}), or set {self.name.upper()}_BIN"

    def with_version(self, version: str | None) -> CodingAssistant:
        """The same program in another version; raises `SettingsError` for one that is too old."""
        if version is not None and self._is_too_old(version):
            raise SettingsError(f"setting {self.name}_version = {version!r} is wrong: {self._too_old}")
        return CodingAssistant(
            self.name,
            self._package,
            version or self._version,
            self.purpose,
            minimum=self._minimum,
            size=self.size,
        )

    def chosen(self, settings: Settings) -> CodingAssistant:
        """The same program in the version of the settings; raises `SettingsError` for one that is too old."""
        version: str | None = getattr(settings, f"{self.name}_version")
        return self.with_version(version)

    def folder(self, cache: Path) -> Path:
        return cache / self.name / self._version

    @property
    def dependencies(self) -> Path:
        """The file with the versions of its dependencies; not there for a package that pins them itself."""
        return DEPENDENCIES / f"{self.name}-{self._version}.txt"

    def locate(self, settings: Settings) -> InstalledProgram | None:
        """The one that a run uses, AIDER_BIN first; raises `SettingsError` when that does not run."""
        chosen: Path | None = getattr(settings, f"{self.name}_bin")
        if chosen is None:
            return self.chosen(settings).find(settings.acceptance_cache_dir)
        # pipx and `uv tool` install links to programs in environments.
        program = chosen.resolve()
        if problem := self._problem(program):
            raise SettingsError(
                f"setting {self.name}_bin = {str(chosen)!r} is wrong: {problem};"
                f" give the path of {'an' if self.name == 'aider' else 'a'} {self.name} program"
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
        return self._too_old if self._is_too_old(version) else ""

    @property
    def _too_old(self) -> str:
        oldest = ".".join(map(str, self._minimum))
        return f"the suite uses options of {self.title} {oldest} and newer"

    def _is_too_old(self, version: str) -> bool:
        return tuple(map(int, re.findall(r"\d+", version)[:2])) < self._minimum

    def find(self, cache: Path) -> InstalledProgram | None:
        """The one in the cache: one on the PATH has any version, and other dependencies."""
        program = self.folder(cache) / SCRIPTS_FOLDER / f"{self.name}{EXECUTABLE_SUFFIX}"
        version = _version(program, self._package) if program.is_file() else ""
        return InstalledProgram(self.name, program, version, "cache") if version else None

    def install(self, folder: Path, report_progress: ReportProgress) -> None:
        """With uv, which finds a suitable Python or fetches one."""
        uv = require_uv(self.name)
        report_progress(f"getting {self._package} {self._version} in an environment of its own ({self.size})")
        failure = f"{self._package} {self._version} could not be installed"
        with replacing(folder) as new:
            made = [uv, "venv", "--quiet", "--relocatable", "--python", _python(), str(new)]
            install(f"{failure}: no Python {PYTHONS}", made, timeout=INSTALL_SECONDS)
            package = f"{self._package}=={self._version}"
            command = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(new), package]
            if self.dependencies.is_file():
                command += ["--constraints", str(self.dependencies)]
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


AIDER = CodingAssistant(
    "aider", "aider-chat", "0.86.2", "the coding assistant, for @needs.aider", minimum=(0, 86), size="600 MB"
)
CECLI = CodingAssistant(
    "cecli", "cecli-dev", "1.10.0", "Aider's successor, for @needs.cecli", minimum=(1, 10), size="1 GB"
)
