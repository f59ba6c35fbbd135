"""The same run as `python -m behave`, without its banner and with the exit codes of the suite.

Nothing heavy is imported before the first worker was started.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from support.errors import EXIT_PASSED, EXIT_USAGE, AcceptanceError, SettingsError
from support.programs.deferred_interrupts import defer_interrupts
from support.runner.worker_pool import WorkerPool, prestarted_workers, workers_supported

if TYPE_CHECKING:
    from support.settings import Settings


def run_features(argv: Sequence[str]) -> int:
    """Run behave's command line; the exit code."""
    pool = None
    try:
        if workers_supported() and prestarted_workers(argv):
            with defer_interrupts():
                pool = WorkerPool(argv)
                pool.prestart(prestarted_workers(argv))
        return _run(argv, pool)
    finally:
        if pool is not None:
            pool.close()


def _run(argv: Sequence[str], pool: WorkerPool | None) -> int:
    from support.runner.behave_config import BEHAVE_USAGE_ERRORS, behave_configuration, error_line
    from support.runner.runner import GuardedRunner

    try:
        GuardedRunner(behave_configuration(argv), argv, pool).run()
    except SystemExit as end:
        return int(end.code or 0)
    except BEHAVE_USAGE_ERRORS as error:
        print(f"acceptance: {error_line(error)}", file=sys.stderr)
        return EXIT_USAGE
    return EXIT_PASSED


def settings_of(argv: Sequence[str]) -> Settings:
    """The settings of a run with this command line; raises `SettingsError`."""
    from behave.configuration import Configuration

    from support.runner.behave_config import BEHAVE_USAGE_ERRORS, error_line, settings_of

    try:
        return settings_of(Configuration(list(argv))).settings
    except BEHAVE_USAGE_ERRORS as error:
        raise SettingsError(error_line(error)) from None


def list_features(argv: Sequence[str]) -> int:
    """Print the selected scenarios and their requirements, without starting anything; the exit code."""
    from behave.configuration import Configuration

    from support.runner.behave_config import BEHAVE_USAGE_ERRORS, error_line, settings_of
    from support.runner.checks_of_scenarios import require_groups
    from support.runner.list_scenarios import listing
    from support.runner.scenario_runner import ScenarioRunner
    from support.runner.signals import Signals
    from support.servers.discovery import preview

    try:
        configuration = Configuration(list(argv))
        settings = settings_of(configuration).settings
        target = preview(settings)
        scenarios = ScenarioRunner(configuration, Signals()).selected()
        require_groups(scenarios)
        print("\n".join(listing(scenarios, settings, target)))
    except AcceptanceError as error:
        print(f"acceptance: {error}", file=sys.stderr)
        return error.exit_code
    except BEHAVE_USAGE_ERRORS as error:
        print(f"acceptance: {error_line(error)}", file=sys.stderr)
        return EXIT_USAGE
    return EXIT_PASSED
