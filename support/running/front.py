"""The same run as `python -m behave`, without its greeting and with the exit codes of the suite."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from behave.configuration import ConfigError, Configuration
from behave.runner_util import FileNotFoundError as FeatureNotFound
from behave.runner_util import InvalidFileLocationError, InvalidFilenameError, reset_runtime

from support.errors import EXIT_USAGE
from support.running.guard import GuardedRunner

PROJECT = Path(__file__).resolve().parents[2]


def run_features(words: Sequence[str]) -> int:
    """Run behave's command line in this process; the exit code."""
    # behave puts the folder of environment.py on the path; `steps` is imported before that.
    sys.path.insert(0, str(Path.cwd()))
    try:
        configuration = Configuration(list(words))
        if not configuration.format:
            configuration.format = [configuration.default_format]
        reset_runtime()
        GuardedRunner(configuration).run()
    except SystemExit as end:
        return int(end.code or 0)
    except (ConfigError, FeatureNotFound, InvalidFileLocationError, InvalidFilenameError) as error:
        print(f"acceptance: {error}", file=sys.stderr)
        return EXIT_USAGE
    return 0
