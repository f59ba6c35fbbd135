"""The `environment.py` of the toy suite: hooks that break on demand (`-D toy.breaks=HOOK`)."""

import os
import signal
import time
from pathlib import Path

from behave.model import Feature, Scenario
from behave.runner import Context


def before_all(context: Context) -> None:
    _break(context, "before_all")


def after_all(context: Context) -> None:
    _break(context, "after_all")


def before_feature(context: Context, feature: Feature) -> None:
    _break(context, "before_feature")


def after_feature(context: Context, feature: Feature) -> None:
    _break(context, "after_feature")


def before_scenario(context: Context, scenario: Scenario) -> None:
    # In a folder of the run, as in the real suite.
    (context.suite.folder / "something").write_text("to be removed")
    context.add_cleanup(Path("cleaned").touch)
    if scenario.name == "Its hook breaks":
        raise RuntimeError("no room for a scenario")
    if scenario.name == "Its hook hangs":
        time.sleep(3600)


def after_scenario(context: Context, scenario: Scenario) -> None:
    assert scenario.name != "Its hook finds a defect", "the server died"


def _break(context: Context, hook: str) -> None:
    if context.config.userdata.get("toy.killed") == hook:
        os.kill(os.getpid(), signal.SIGKILL)
    if context.config.userdata.get("toy.breaks") == hook:
        raise RuntimeError(f"{hook} gave up")
