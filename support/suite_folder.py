"""The folder with the features, steps and data of a run: the checkout, or that of the installed package.

A run has it as its current folder. Without a checkout, the paths of the user are those of the folder in which
the command was started: its `acceptance.toml`, `accepted.toml` and `reports`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from support.user_files import read_regular_file

PROJECT_FILE = Path("pyproject.toml")
RUNNER = "support.runner.runner:GuardedRunner"
# What a wheel installs beside `support`.
PACKAGED = Path(__file__).resolve().parents[1] / "mistralrs_acceptance_suite"
# For the workers of a run. It is no setting.
_USER_FOLDER = "_MISTRALRS_ACCEPTANCE_USER_FOLDER"


def enter_suite_folder() -> None:
    """Make the installed package's folder the current one, unless the current one is a checkout."""
    # A checkout that is installed as such has the files of the folder there, and not the features.
    if not names_the_runner(PROJECT_FILE) and (PACKAGED / "features").is_dir():
        os.environ[_USER_FOLDER] = os.getcwd()  # noqa: PTH109 - also of a folder that was removed: an OSError
        os.chdir(PACKAGED)


def user_path(path: Path) -> Path:
    """A path of the user: a relative one is below the folder in which the command was started."""
    folder = os.environ.get(_USER_FOLDER)
    return path if folder is None else Path(folder, path)


def is_installed_package() -> bool:
    """Whether the features of the run are those of the installed package."""
    return _USER_FOLDER in os.environ


def command_of_group(group: str, *packages: str) -> str:
    """The command that installs the packages of an optional group; only a checkout has tools/setup.py."""
    if is_installed_package():
        return f"`pip install {' '.join(packages)}` beside the suite"
    return f"`python3 tools/setup.py --group {group}`"


def names_the_runner(file: Path) -> bool:
    """Whether this pyproject.toml configures behave with the suite's runner."""
    try:
        document: Mapping[str, object] = tomllib.loads(read_regular_file(file).decode())
        tool = document["tool"]["behave"]  # type: ignore[index]
        return RUNNER in (tool["runner"], *tool.get("runners", {}).values())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, LookupError, TypeError, AttributeError):
        return False
