"""What the formatters of the suite share: the events of a run, names and places of behave's objects.

The suite's runner (support/runner/event_runner.py) calls the listeners in `config.acceptance_listeners`.
Of behave, only attributes of its objects are used here: it is not imported.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from support.results.behave_types import BehaveConfig, BehaveScenario, HasLocation
from support.results.check import CheckResult
from support.results.outcome import Evidence, Measurement, Verdict
from support.results.redaction import redact

_SPELLING = {"openai": "OpenAI", "api": "API", "mcp": "MCP", "cli": "CLI", "gpu": "GPU", "http": "HTTP"}
# The attribute of behave's configuration that has the listeners of its run.
LISTENERS = "acceptance_listeners"
_warned: set[tuple[str, str]] = set()


@dataclass(frozen=True)
class FinishedScenario:
    """A scenario that has ended, hooks and cleanups included. `start`: epoch seconds, `duration`: seconds."""

    scenario: BehaveScenario
    verdict: Verdict
    start: float
    duration: float
    evidence: tuple[Evidence, ...] = ()
    measures: tuple[Measurement, ...] = ()
    checks: tuple[CheckResult, ...] = ()


@dataclass(frozen=True)
class RunError:
    """A hook or a cleanup that failed outside all scenarios: no scenario is red, yet the run is.

    `status`: failed when the product is the cause. `cause` is that of all that fails with it, `tags` hold
    the severity.
    """

    name: str
    feature: str
    location: str
    message: str
    trace: str = ""
    status: Literal["broken", "failed"] = "broken"
    cause: str = ""
    tags: tuple[str, ...] = ()

    @classmethod
    def from_exception(cls, name: str, error: BaseException) -> RunError:
        """An error in something of the run itself."""
        return cls(name, "", "environment.py:1", _describe(error), "".join(traceback.format_exception(error)))


class RunListener:
    """It is informed of scenarios as a whole; each event does nothing unless it is overridden."""

    def run_started(self, scenarios: int) -> None:
        """A run of so many selected scenarios begins."""

    def scenario_started(self, scenario: BehaveScenario) -> None:
        """A selected scenario begins."""

    def scenario_finished(self, finished: FinishedScenario) -> None:
        """It has ended, with its hooks and cleanups."""

    def run_error(self, error: RunError) -> None:
        """Something failed outside all scenarios."""


def add_listener(config: BehaveConfig, listener: RunListener) -> None:
    """Have the runner of this configuration call the listener. Raises RuntimeError under a foreign runner."""
    listeners = getattr(config, LISTENERS, None)
    if listeners is None:
        raise RuntimeError("formatters of the suite need its runner (`runner` in [tool.behave])")
    listeners.append(listener)


def warn_incomplete(where: str, error: BaseException) -> None:
    """Report once per place and kind of error that a report is incomplete."""
    key = (where, type(error).__name__)
    if key in _warned:
        return
    _warned.add(key)
    with contextlib.suppress(Exception):
        print(
            f"report incomplete: {where}: {type(error).__name__}: {redact(str(error))}", file=sys.__stderr__
        )


def capability_of(filename: str) -> str:
    """The folder of `features/` that a file lies in: `features/openai_api/chat.feature` -> `openai_api`."""
    folders = PurePath(filename).parts[:-1]
    if "features" in folders:
        below = folders[len(folders) - 1 - folders[::-1].index("features") :][1:]
        return below[0] if below else "general"
    return folders[-1] if folders else "general"


def capability_title(capability: str) -> str:
    """`openai_api` -> `OpenAI API`, `binary_health` -> `Binary health`."""
    words = [_SPELLING.get(word, word) for word in capability.replace("-", "_").split("_") if word]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def rule_of(scenario: BehaveScenario) -> str:
    """The name of the Rule that holds the scenario, or an empty text."""
    parent = getattr(scenario, "parent", None)
    while parent is not None:
        if getattr(parent, "type", "") == "rule":
            return str(parent.name)
        parent = getattr(parent, "parent", None)
    return ""


def location_of(item: HasLocation) -> str:
    """`features/binary_health/version.feature:12`."""
    return f"{PurePath(str(item.filename)).as_posix()}:{item.line}"


def row_of(scenario: BehaveScenario) -> tuple[tuple[str, str], ...]:
    """Names and values of the outline row; empty for a plain scenario."""
    row = getattr(scenario, "_row", None)
    return tuple(zip(row.headings, row.cells, strict=False)) if row is not None else ()


def setting(config: BehaveConfig, name: str, default: str = "") -> str:
    """A value that was given with `-D name=value`."""
    value = config.userdata.get(name)
    return default if value is None else str(value)


def selected(scenario: BehaveScenario, config: BehaveConfig) -> bool:
    """Whether the command line selects this scenario; one that is skipped with a reason counts as well."""
    if config.dry_run or not scenario.should_run_with_tags(config.tag_expression):
        return False
    if not scenario.should_run_with_name_select(config):
        return False
    # `FILE:LINE` marks all other scenarios as skipped, without a reason.
    return not scenario.should_skip or bool(scenario.skip_reason)


def _describe(error: BaseException) -> str:
    # Not `str(error)`: the `__str__` of an error may raise.
    text = str(traceback.TracebackException.from_exception(error))
    if isinstance(error, AssertionError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
