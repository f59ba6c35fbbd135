"""A run is configured by the project's pyproject.toml and the settings alone.

behave 1.3.3 also reads `behave.ini`, `.behaverc`, `setup.cfg`, `tox.ini` and `pyproject.toml` of the home
folder and of the current one, and each may filter, rename or not run scenarios (`dry_run = true`).
`behave_configuration.pth` calls `use_project_configuration` when behave's main program is imported, whoever
starts it, before behave reads anything; `acceptance run` and each worker call it themselves. It also removes
the environment variables that would change what libraries in the process do. A program under test gets no
variable but those of `support.programs.child_environment`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from behave import configuration

from support.errors import EXIT_USAGE, SettingsError
from support.results.standard_streams import open_closed_streams
from support.suite_folder import PROJECT_FILE, RUNNER, names_the_runner

# Files that belong to behave alone, and files of several programs with the section of behave.
_OWN_FILES = ("behave.ini", ".behaverc")
_SECTIONS = {"setup.cfg": "[behave", "tox.ini": "[behave", "pyproject.toml": "[tool.behave"}
# Variables that change what a library does, by their beginning: they are removed.
FOREIGN_VARIABLES = {
    "BEHAVE_STAGE": "behave loads another environment.py and other steps (its option --stage)",
    "OPENAI_": "OpenAI's client sends headers for them and logs requests; LangChain uses the proxy",
    "ANTHROPIC_": "Anthropic's client sends keys, tokens and headers",
    "OLLAMA_": "Ollama's client sends the key",
    "LANGCHAIN_": "LangChain sends the questions to LangSmith",
    "LANGSMITH_": "LangChain sends the questions to LangSmith",
    "HF_": "libraries of Hugging Face send tokens and use other folders",
    "HUGGING_FACE_": "an old name for HF_",
    "TRANSFORMERS_": "an old name for HF_",
    "ALLURE_": "Allure's library leaves out scenarios (ALLURE_TESTPLAN_PATH) and changes results",
}
# Settings of the suite with such a name.
SETTINGS_VARIABLES = frozenset({"OLLAMA_API", "OLLAMA_BIN", "OLLAMA_URL"})
# Not removed, downloads need them (`support.programs.install`). Clients get `trust_env=False`: they use none.
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

_ignored: list[str] = []
_ignored_variables: list[str] = []


def use_project_configuration() -> bool:
    """From now on behave reads the project's file alone; False when the current folder is no checkout."""
    if not names_the_runner(PROJECT_FILE):
        return False
    open_closed_streams()
    if configuration.config_filenames is not _project_files:
        _ignored[:] = [str(file) for file in _other_files(Path(), Path.home())]
        configuration.config_filenames = _project_files
        # While Python looks for the module of `python -m behave`, the name of the program is `-m`.
        if sys.argv[0] == "-m" or Path(sys.argv[0]).stem == "behave":
            configuration.Configuration = _OneLineConfiguration
            configuration.setup_parser = _one_line_parser
    _ignored_variables.extend(remove_foreign_variables())
    return True


_make_parser = configuration.setup_parser


def _one_line_parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _make_parser()
    parser.error = _exit_with_line  # type: ignore[method-assign]
    return parser


class _OneLineConfiguration(configuration.Configuration):  # type: ignore[misc]
    """That of behave's main program, which itself ends with exit code 1 or a traceback for wrong options."""

    def __init__(self, *args: Any, **options: Any) -> None:
        from support.runner.behave_config import usage_errors

        try:
            with usage_errors():
                super().__init__(*args, **options)
        except SettingsError as error:
            _exit_with_line(str(error))
        if self.runner not in (RUNNER, "help", *self.runner_aliases):
            _exit_with_line(f"--runner {self.runner!r}: the suite has its own runner; leave the option out")


def _exit_with_line(message: str) -> NoReturn:
    hint = "" if ";" in message else "; `python -m behave --help` lists all options"
    print(f"acceptance: {' '.join(message.split())}{hint}", file=sys.stderr)
    sys.exit(EXIT_USAGE)


def remove_foreign_variables() -> list[str]:
    """Removes `FOREIGN_VARIABLES` from the environment of this process; their names."""
    names = sorted(set(os.environ) - SETTINGS_VARIABLES)
    removed = [name for name in names if name.startswith(tuple(FOREIGN_VARIABLES))]
    for name in removed:
        del os.environ[name]
    return removed


def require_project_configuration() -> str:
    """The line about what was ignored, or ""; raises `SettingsError` when behave has read other files."""
    if configuration.config_filenames is not _project_files:
        others = ", ".join(map(str, _other_files(Path(), Path.home())))
        if others:
            raise SettingsError(
                f"behave has read {others}, which may change the run: start it with `acceptance run`, or run "
                "`make setup` once more"
            )
    variables = [*_ignored_variables, *sorted(name for name in os.environ if name.upper() in PROXY_VARIABLES)]
    noun = "environment variable" if len(variables) == 1 else "environment variables"
    ignored = _ignored + ([f"{noun} {', '.join(variables)}"] if variables else [])
    if not ignored:
        return ""
    return f"ignored: {', '.join(ignored)} (a run is configured by {PROJECT_FILE} and the settings)"


def misspelled_variables() -> str:
    """The line about variables that are almost named as settings, or ""."""
    # Not at the top: Python imports this module when it starts behave.
    from support.settings import misspelled_names

    given = [name for name, value in os.environ.items() if value.strip()]
    close = misspelled_names([*given, *_ignored_variables])
    found = [f"{name} (is {setting} meant?)" for name, setting in close.items()]
    return f"no setting, and not used: environment variable {', '.join(found)}" if found else ""


def _project_files() -> Iterator[str]:
    yield str(PROJECT_FILE)


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
