"""behave's hooks: a world for each scenario. The suite is made by the runner (support/runner/runner.py)."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from steps import types  # noqa: F401  (the matcher and its types have to be there before the steps)
from support.errors import EXIT_USAGE
from support.http.client import RequestFailed
from support.results.behave_types import BehaveScenario
from support.suite import RunContext
from support.world import World

if "behave.runner" in sys.modules and "support.runner.scenario_runner" not in sys.modules:
    # behave has read no configuration, and has its own runner: each hook would fail.
    print("acceptance: behave was not started in the checkout of the suite: start it there", file=sys.stderr)
    sys.exit(EXIT_USAGE)


class HookContext(Protocol):
    """What the hooks use of behave's context."""

    suite: RunContext
    world: World

    def add_cleanup(self, cleanup: Callable[[], None], /) -> None: ...


class ScenarioWithWorld(BehaveScenario, Protocol):
    """A scenario whose world the runner reads."""

    world: World


def before_scenario(context: HookContext, scenario: ScenarioWithWorld) -> None:
    world = World(context.suite, Path(tempfile.mkdtemp(dir=context.suite.folder)))
    # The runner reads it when the verdict is known (support/reporting/evidence.py).
    context.world = scenario.world = world
    context.add_cleanup(world.cleanups.close)


def after_scenario(context: HookContext, scenario: ScenarioWithWorld) -> None:
    world = context.world
    # A scenario that was skipped half-way has no failure to explain.
    passed = scenario.should_skip or all(step.status.name == "passed" for step in scenario.all_steps)
    errors = [step.exception for step in scenario.all_steps]
    try:
        if passed and not scenario.should_skip:
            world.check_at_end()
        elif any(isinstance(error, AssertionError) for error in errors):
            world.check_crashes(unanswered=any(isinstance(error, RequestFailed) for error in errors))
    except AssertionError:
        passed = False
        raise
    finally:
        if not passed:
            world.collect()
