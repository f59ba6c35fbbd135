"""behave's hooks: a world for each scenario. The suite is made by the runner (support/runner/runner.py)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from steps import types  # noqa: F401  (the matcher and its types have to be there before the steps)
from support.world import World


def before_scenario(context: Any, scenario: Any) -> None:
    world = World(context.suite, Path(tempfile.mkdtemp(dir=context.suite.folder)))
    # The runner reads it when the verdict is known (support/reporting/evidence.py).
    context.world = scenario.world = world
    context.add_cleanup(world.close)


def after_scenario(context: Any, scenario: Any) -> None:
    world = context.world
    # Left out half-way, it has nothing to explain.
    passed = scenario.should_skip or all(step.status.name == "passed" for step in scenario.all_steps)
    try:
        if passed and not scenario.should_skip:
            world.check_at_end()
    except AssertionError:
        passed = False
        raise
    finally:
        if not passed:
            world.collect()
