"""The same run as `python -m behave`, without its greeting and with the exit codes of the suite.

Nothing heavy is imported before the first worker was started.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from support.errors import EXIT_PASSED, EXIT_USAGE, AcceptanceError, SettingsError
from support.programs.deferred_interrupts import uninterrupted
from support.runner.worker_pool import Crew, able, early

if TYPE_CHECKING:
    from support.settings import Settings


def run_features(words: Sequence[str]) -> int:
    """Run behave's command line; the exit code."""
    crew = None
    try:
        if able() and early(words):
            with uninterrupted():
                crew = Crew(words)
                crew.start(early(words))
        return _run(words, crew)
    finally:
        if crew is not None:
            crew.close()


def _run(words: Sequence[str], crew: Crew | None) -> int:
    from support.runner.behave_config import UNUSABLE, complaint, configured
    from support.runner.runner import GuardedRunner

    try:
        GuardedRunner(configured(words), words, crew).run()
    except SystemExit as end:
        return int(end.code or 0)
    except UNUSABLE as error:
        print(f"acceptance: {complaint(error)}", file=sys.stderr)
        return EXIT_USAGE
    return EXIT_PASSED


def settings_of(words: Sequence[str]) -> Settings:
    """The settings that a run with these words would have; raises `SettingsError`."""
    from behave.configuration import Configuration

    from support.runner.behave_config import UNUSABLE, complaint, settings_of

    try:
        return settings_of(Configuration(list(words))).settings
    except UNUSABLE as error:
        raise SettingsError(complaint(error)) from None


def list_features(words: Sequence[str]) -> int:
    """Print what these words select and what it needs, without starting anything; the exit code."""
    from behave.configuration import Configuration

    from support.runner.behave_config import UNUSABLE, complaint, settings_of
    from support.runner.list_scenarios import listing
    from support.runner.scenario_runner import ScenarioRunner
    from support.runner.signals import Signals
    from support.servers.discovery import foreseen

    try:
        configuration = Configuration(list(words))
        settings = settings_of(configuration).settings
        target = foreseen(settings)
        print("\n".join(listing(ScenarioRunner(configuration, Signals()).selected(), settings, target)))
    except AcceptanceError as error:
        print(f"acceptance: {error}", file=sys.stderr)
        return error.exit_code
    except UNUSABLE as error:
        print(f"acceptance: {complaint(error)}", file=sys.stderr)
        return EXIT_USAGE
    return EXIT_PASSED
