"""The same run as `python -m behave`, without its greeting and with the exit codes of the suite."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from behave.configuration import Configuration
from behave.exception import ConfigError
from behave.runner_util import reset_runtime
from cucumber_tag_expressions import TagExpressionError

from support.errors import EXIT_USAGE
from support.running.guard import GuardedRunner, complaint


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
    except (ConfigError, TagExpressionError) as error:
        print(complaint(error), file=sys.stderr)
        return EXIT_USAGE
    return 0
