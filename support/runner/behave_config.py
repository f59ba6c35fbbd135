"""behave's command line and what was made of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from behave.configuration import Configuration
from behave.exception import ConfigError, InvalidFileLocationError, InvalidFilenameError
from behave.parser import ParserError
from behave.runner_util import FileNotFoundError as FeatureNotFound
from behave.runner_util import reset_runtime
from cucumber_tag_expressions import TagExpressionError

from support.results.behave_types import BehaveConfig
from support.runner import tags
from support.settings import ResolvedSettings, load_settings

# Options of formatters and of the front door, handed over as behave userdata.
INTERNAL_USERDATA = frozenset({"suite", "worker", "target_label", "allure_keep"})
# What behave says about a path, a feature file or a tag expression that it cannot use.
BEHAVE_USAGE_ERRORS = (
    ConfigError,
    FeatureNotFound,
    InvalidFileLocationError,
    InvalidFilenameError,
    ParserError,
    TagExpressionError,
)


def behave_configuration(argv: Sequence[str]) -> BehaveConfig:
    """behave's configuration of a command line; raises its errors, SystemExit among them."""
    # behave puts the folder of environment.py on the path; `steps` is imported before that.
    sys.path.insert(0, str(Path.cwd()))
    configuration: BehaveConfig = Configuration(list(argv))
    if not configuration.format:
        configuration.format = [configuration.default_format]
    elif len(configuration.format) == len(configuration.defaults.get("format") or ()):
        # As behave's own main does: formatters of the configuration file do not silence the terminal.
        configuration.format.append(configuration.default_format)
    reset_runtime()
    return configuration


def command_line_of(configuration: BehaveConfig) -> list[str] | None:
    """The command line that `python -m behave` or `behave` made this of; None when another program did.

    behave 1.3.3 does not keep it: it reads `sys.argv` when it is the program itself.
    """
    program = Path(sys.argv[0])
    if program.parts[-2:] == ("behave", "__main__.py") or program.stem == "behave":
        return [str(word) for word in configuration.make_command_args()]
    return None


def settings_of(configuration: BehaveConfig) -> ResolvedSettings:
    """Raises `SettingsError` for a wrong setting, and for a tag expression that cannot be meant."""
    tags.check_expression(expressions(configuration))
    defines = {k: v for k, v in configuration.userdata.items() if k not in INTERNAL_USERDATA and "." not in k}
    if configuration.jobs not in (None, 1):
        # behave's own `-j`, which it leaves to its runner.
        defines = {"acceptance_jobs": configuration.jobs, **defines}
    return load_settings(defines)


def expressions(configuration: BehaveConfig) -> list[str]:
    """The tag expressions that were given."""
    given = configuration.tags
    return [given] if isinstance(given, str) else [str(part) for part in given or ()]


def error_line(error: BaseException) -> str:
    """What behave says, as one line."""
    lines = [line.strip() for line in str(error).splitlines() if "^" not in line]
    reason = "no such feature file or folder: " if isinstance(error, FeatureNotFound) else ""
    return f"{reason}{'; '.join(line for line in lines if line)}"
