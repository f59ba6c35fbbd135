"""The same run as `python -m behave`, without its greeting and with the exit codes of the suite."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from behave.configuration import Configuration
from behave.exception import ConfigError
from behave.runner_util import reset_runtime
from cucumber_tag_expressions import TagExpressionError

from support.errors import EXIT_PASSED, EXIT_USAGE, AcceptanceError, SettingsError
from support.running import tags
from support.running.guard import INTERNAL, UNUSABLE, GuardedRunner, complaint
from support.running.listing import listing
from support.settings import Settings, load_settings
from support.target.discovery import foreseen


def run_features(words: Sequence[str], jobs: int = 1) -> int:
    """Run behave's command line, in this process or with several workers; the exit code."""
    try:
        configuration = configured(words)
        if jobs > 1 and os.name == "posix" and not configuration.dry_run:
            from support.running.parallel import MasterRunner

            return run_to_its_end(MasterRunner(configuration, words, jobs))
        return run_to_its_end(GuardedRunner(configuration))
    except SystemExit as end:
        return int(end.code or 0)
    except (ConfigError, TagExpressionError) as error:
        print(complaint(error), file=sys.stderr)
        return EXIT_USAGE


def configured(words: Sequence[str]) -> Any:
    """behave's configuration of a command line; raises its errors, SystemExit among them."""
    # behave puts the folder of environment.py on the path; `steps` is imported before that.
    sys.path.insert(0, str(Path.cwd()))
    configuration = Configuration(list(words))
    if not configuration.format:
        configuration.format = [configuration.default_format]
    reset_runtime()
    return configuration


def run_to_its_end(runner: GuardedRunner) -> int:
    """The exit code of the run."""
    try:
        runner.run()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def settings_of(words: Sequence[str]) -> Settings:
    """The settings that a run with these words would have; raises `SettingsError`."""
    try:
        return _settings(Configuration(list(words)))
    except (ConfigError, TagExpressionError) as error:
        raise SettingsError(complaint(error).removeprefix("acceptance: ")) from None


def list_features(words: Sequence[str]) -> int:
    """Print what these words select and what it needs, without starting anything; the exit code."""
    try:
        configuration = Configuration(list(words))
        given = configuration.tags
        tags.check_expression([given] if isinstance(given, str) else [str(part) for part in given or ()])
        settings = _settings(configuration)
        runner = GuardedRunner(configuration)
        target = foreseen(settings)
        print("\n".join(listing(runner.selected(), settings, target)))
    except AcceptanceError as error:
        print(f"acceptance: {error}", file=sys.stderr)
        return error.exit_code
    except (*UNUSABLE, TagExpressionError) as error:
        print(complaint(error), file=sys.stderr)
        return EXIT_USAGE
    return EXIT_PASSED


def _settings(configuration: Configuration) -> Settings:
    chosen = {k: v for k, v in configuration.userdata.items() if k not in INTERNAL and "." not in k}
    return load_settings(chosen).settings
