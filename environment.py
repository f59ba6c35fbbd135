"""behave's hooks: a world for each scenario. The suite is made by the runner (support/runner/runner.py)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from steps import types  # noqa: F401  (the matcher and its types have to be there before the steps)
from support.results.behave_types import BehaveScenario
from support.suite import RunContext
from support.world import World


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
    try:
        if passed and not scenario.should_skip:
            world.check_at_end()
        elif any(isinstance(step.exception, AssertionError) for step in scenario.all_steps):
            world.check_crashes()
    except AssertionError:
        passed = False
        raise
    finally:
        if not passed:
            world.collect()
