"""behave's command line and configuration."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from behave.configuration import Configuration
from behave.exception import ConfigError, InvalidFileLocationError, InvalidFilenameError
from behave.i18n import languages
from behave.parser import ParserError
from behave.runner_util import FileNotFoundError as FeatureNotFound
from behave.runner_util import reset_runtime
from cucumber_tag_expressions import TagExpressionError

from support.errors import SettingsError
from support.results.behave_types import BehaveConfig
from support.runner import tags
from support.runner.project_configuration import use_project_configuration
from support.runner.selection import FOLDERS, SUITES
from support.settings import NO_NAME, ResolvedSettings, load_settings
from support.suite_folder import PROJECT_FILE

# Options of the recorder and of the entry point, passed as behave userdata.
INTERNAL_USERDATA = frozenset({"suite", "worker", "target_label", "earlier_no_go", "last_iteration"})
# `option.target_url=--target`: the option that a setting is from.
OPTION = "option."
# behave's errors for a path, a feature file or a tag expression that it cannot use.
_USAGE_ERRORS = (
    ConfigError,
    FeatureNotFound,
    InvalidFileLocationError,
    InvalidFilenameError,
    ParserError,
    TagExpressionError,
)


@contextmanager
def usage_errors() -> Iterator[None]:
    """behave's errors for a path, a feature file or a tag expression become a `SettingsError`."""
    try:
        yield
    except _USAGE_ERRORS as error:
        raise SettingsError(_error_line(error)) from None
    except re.error as error:
        raise SettingsError(
            f"--name {str(error.pattern)!r} is no regular expression ({error}); write \\ before ( [ + * ? ."
        ) from None


def plain_configuration(argv: Sequence[str]) -> BehaveConfig:
    """behave's configuration of a command line; raises `SettingsError`, and SystemExit for a wrong option."""
    if not use_project_configuration():
        raise SettingsError(
            f"{PROJECT_FILE.resolve()} does not configure the suite's runner: "
            "start it in the checkout of the suite"
        )
    with usage_errors():
        configuration: BehaveConfig = Configuration(list(argv))
    return configuration


def behave_configuration(argv: Sequence[str]) -> BehaveConfig:
    """The same for a run: with a formatter for the terminal, and with the project on the import path."""
    # behave puts the folder of environment.py on the path; `steps` is imported before that.
    sys.path.insert(0, str(Path.cwd()))
    configuration = plain_configuration(argv)
    if not configuration.format:
        configuration.format = [configuration.default_format]
    elif len(configuration.format) == len(configuration.defaults.get("format") or ()):
        # As behave's own main does: formatters of the configuration file do not silence the terminal.
        configuration.format.append(configuration.default_format)
    reset_runtime()
    return configuration


def command_line_of(configuration: BehaveConfig) -> list[str] | None:
    """The command line from which `python -m behave` or `behave` made this; None when another program did.

    behave 1.3.3 does not keep it: it reads `sys.argv` when it is the program itself.
    """
    program = Path(sys.argv[0])
    if program.parts[-2:] == ("behave", "__main__.py") or program.stem == "behave":
        return [str(argument) for argument in configuration.make_command_args()]
    return None


def settings_of(configuration: BehaveConfig) -> ResolvedSettings:
    """Raises `SettingsError` for a wrong setting, and for a tag expression with an unknown tag."""
    tags.check_expression(expressions(configuration))
    if "" in (str(name).strip() for name in configuration.userdata):
        raise SettingsError(NO_NAME)
    suite = str(configuration.userdata.get("suite", "acceptance"))
    if not suite.strip() or not suite.isprintable():
        raise SettingsError(f"--suite {suite!r} is no name of one line; give one, or leave it out")
    defines = {k: v for k, v in configuration.userdata.items() if k not in INTERNAL_USERDATA and "." not in k}
    if configuration.jobs not in (None, 1):
        # behave's own `-j`, which behave leaves to its runner.
        defines = {"acceptance_jobs": configuration.jobs, **defines}
    options = {
        name.removeprefix(OPTION): str(option)
        for name, option in configuration.userdata.items()
        if name.startswith(OPTION)
    }
    return load_settings(defines, options)


def require_usable(configuration: BehaveConfig) -> None:
    """Raises `SettingsError` for reports of behave and Allure that a run makes itself, and better."""
    other_folder = "for another folder: -D acceptance_reports_dir=DIR"
    if any("allure" in str(name).lower() for name in configuration.format or ()):
        raise SettingsError(
            "-f: a second formatter of Allure would write each result twice; every run writes "
            f"reports/allure-results, {other_folder}"
        )
    if configuration.lang is not None and configuration.lang not in languages:
        raise SettingsError(f"--lang {configuration.lang!r} is no language of Gherkin; leave it out")
    if configuration.junit:
        raise SettingsError(f"--junit: every run writes reports/junit; leave it out, {other_folder}")


def expressions(configuration: BehaveConfig) -> list[str]:
    """The tag expressions that were given."""
    given = configuration.tags
    return [given] if isinstance(given, str) else [str(part) for part in given or ()]


def _error_line(error: BaseException) -> str:
    """behave's message, as one line."""
    lines = [line.strip() for line in str(error).splitlines() if "^" not in line]
    message = "; ".join(line for line in lines if line)
    if isinstance(error, FeatureNotFound | InvalidFilenameError):
        # The parser of behave has cut the line off.
        if os.path.isdir(message):  # noqa: PTH112 - False for a path that cannot be read
            return (
                f"{message!r} (from the command line) is a folder with the number of a line; "
                "give the line of a feature file, or the folder alone"
            )
        return (
            f"{message!r} (from the command line) is no suite, feature file or folder of features; "
            f"give a suite ({', '.join(SUITES)}) or a path such as {FOLDERS['api']}"
        )
    if isinstance(error, ConfigError) and message.startswith("No steps directory"):
        return f"{message}; give a path below features/, which has the steps of the suite beside it"
    if isinstance(error, TagExpressionError):
        return f"--tags: {message}; write for example {tags.SYNTAX_EXAMPLES}"
    return message
