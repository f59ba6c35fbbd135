"""behave reads its configuration from the project's pyproject.toml alone.

behave 1.3.3 also reads `behave.ini`, `.behaverc`, `setup.cfg`, `tox.ini` and `pyproject.toml` of the home
folder and of the current one, and each may filter, rename or not run scenarios (`dry_run = true`).
`behave_configuration.pth` calls `use_project_configuration` when Python starts behave, before behave reads
anything; `acceptance run` calls it itself.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from behave import configuration

from support.errors import SettingsError

PROJECT_FILE = Path("pyproject.toml")
RUNNER = "support.runner.runner:GuardedRunner"
# Files that belong to behave alone, and files of several programs with the section of behave.
_OWN_FILES = ("behave.ini", ".behaverc")
_SECTIONS = {"setup.cfg": "[behave", "tox.ini": "[behave", "pyproject.toml": "[tool.behave"}
# It replaces environment.py and the steps by others (behave's option --stage).
_STAGE = "BEHAVE_STAGE"

_ignored: list[str] = []


def use_project_configuration() -> bool:
    """From now on behave reads the project's file alone; False when the current folder is no checkout."""
    if not _names_the_runner(PROJECT_FILE):
        return False
    if configuration.config_filenames is not _project_files:
        _ignored[:] = [str(file) for file in _other_files(Path(), Path.home())]
        configuration.config_filenames = _project_files
    if os.environ.pop(_STAGE, None) is not None:
        _ignored.append(f"environment variable {_STAGE}")
    return True


def require_project_configuration() -> str:
    """The line about what was ignored, or ""; raises `SettingsError` when behave has read other files."""
    if configuration.config_filenames is not _project_files:
        others = ", ".join(map(str, _other_files(Path(), Path.home())))
        if others:
            raise SettingsError(
                f"behave has read {others}, which may change the run: start it with `acceptance run`, or run "
                "`make setup` once more"
            )
    return f"ignored: {', '.join(_ignored)} (behave is configured in {PROJECT_FILE})" if _ignored else ""


def _project_files() -> Iterator[str]:
    yield str(PROJECT_FILE)


def _names_the_runner(file: Path) -> bool:
    try:
        document: Mapping[str, object] = tomllib.loads(file.read_text(encoding="utf-8"))
        tool = document["tool"]["behave"]  # type: ignore[index]
        return RUNNER in (tool["runner"], *tool.get("runners", {}).values())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, LookupError, TypeError, AttributeError):
        return False


def _other_files(*folders: Path) -> Iterator[Path]:
    """Files that behave would read beside the project's."""
    project = PROJECT_FILE.resolve()
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        for name in _OWN_FILES:
            if (folder / name).is_file():
                yield folder / name
        for name, section in _SECTIONS.items():
            file = folder / name
            if file.is_file() and file != project and section in _text(file):
                yield file


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
