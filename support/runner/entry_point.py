"""The same run as `python -m behave`, without its banner and with the exit codes of the suite.

Nothing heavy is imported before the first worker was started. All functions raise `SettingsError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from support.errors import EXIT_PASSED
from support.runner.worker_pool import WorkerPool, prestarted_pool

if TYPE_CHECKING:
    from support.settings import Settings


def run_features(argv: Sequence[str]) -> int:
    """Run behave's command line; the exit code."""
    pool = None
    try:
        pool = prestarted_pool(argv)
        return _run(argv, pool)
    finally:
        if pool is not None:
            pool.close()


def _run(argv: Sequence[str], pool: WorkerPool | None) -> int:
    from support.runner.behave_config import behave_configuration
    from support.runner.runner import GuardedRunner

    try:
        GuardedRunner(behave_configuration(argv), argv, pool).run()
    except SystemExit as end:
        return int(end.code or 0)
    return EXIT_PASSED


def settings_of(argv: Sequence[str]) -> Settings:
    """The settings of a run with this command line."""
    from support.runner import behave_config

    with behave_config.usage_errors():
        return behave_config.settings_of(behave_config.plain_configuration(argv)).settings
