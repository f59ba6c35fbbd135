"""behave's hooks: a world for each scenario. The suite is made by the runner (support/running/guard.py)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from steps import types  # noqa: F401  (the matcher and its types have to be there before the steps)
from support.reporting.evidence import keep
from support.world import World


def before_scenario(context: Any, scenario: Any) -> None:
    context.world = World(context.suite, Path(tempfile.mkdtemp(dir=context.suite.folder)))
    context.add_cleanup(context.world.close)


def after_scenario(context: Any, scenario: Any) -> None:
    world = context.world
    passed = all(step.status.name == "passed" for step in scenario.all_steps)
    try:
        if passed:
            world.check_at_end()
    except AssertionError:
        passed = False
        raise
    finally:
        if not passed:
            world.collect()
            reports = context.suite.settings.acceptance_reports_dir
            keep(world.evidence, reports, scenario.filename, scenario.line)
        scenario.evidence, scenario.measures = tuple(world.evidence), tuple(world.measures)
        scenario.cells = tuple(getattr(world, "cells", ()))
