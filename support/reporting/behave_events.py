"""What the three formatters share: when a scenario begins and ends, what became of it, what failed outside.

behave tells a formatter of steps only. The start of a scenario, and its end with its hooks and cleanups, are
seen by wrapping `scenario.run`. Objects of behave are met here by their attributes only.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, ParamSpec

from support.results.behave_types import BehaveConfig, BehaveFeature, BehaveScenario
from support.results.check import CheckResult
from support.results.outcome import Evidence, MatrixCell, Measurement, Verdict
from support.results.redaction import redact
from support.results.verdicts import cleanup_message, verdict_of

P = ParamSpec("P")

_SPELLING = {"openai": "OpenAI", "api": "API", "mcp": "MCP", "cli": "CLI", "gpu": "GPU", "http": "HTTP"}
_HOOK = re.compile(r"HOOK-ERROR in (\w+)")
_warned: set[tuple[str, str]] = set()


@dataclass(frozen=True)
class ScenarioResult:
    """A scenario that has ended, hooks and cleanups included. `start`: epoch seconds, `duration`: seconds."""

    scenario: BehaveScenario
    verdict: Verdict
    evidence: tuple[Evidence, ...]
    measures: tuple[Measurement, ...]
    start: float
    duration: float
    cells: tuple[MatrixCell, ...] = ()
    checks: tuple[CheckResult, ...] = ()


@dataclass(frozen=True)
class RunError:
    """A hook or a cleanup that failed outside all scenarios: no scenario is red, yet the run is."""

    name: str
    feature: str
    location: str
    message: str
    trace: str = ""

    @classmethod
    def from_exception(cls, name: str, error: BaseException) -> RunError:
        """An error in something of the run itself."""
        return cls(name, "", "environment.py:1", _describe(error), _trace(error))


def never_raise(method: Callable[P, None]) -> Callable[P, None]:
    """A formatter's method that complains on the terminal instead of raising.

    behave 1.3.3 ends the whole run, without its remaining hooks, when a formatter raises.
    """

    @functools.wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - a formatter never raises
            warn_incomplete(method.__qualname__, error)

    return guarded


def warn_incomplete(where: str, error: BaseException) -> None:
    """Say once per place and kind of error that a report is incomplete."""
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


def location_of(item: Any) -> str:
    """`features/binary_health/version.feature:12`."""
    return f"{PurePath(str(item.filename)).as_posix()}:{item.line}"


def title_of(scenario: BehaveScenario) -> str:
    """The title without behave's mark of an outline row (` -- @1.2 names`): it moves when a row is added."""
    return str(scenario.name).rsplit(" -- @", 1)[0].strip() or str(scenario.keyword)


def row_of(scenario: BehaveScenario) -> tuple[tuple[str, str], ...]:
    """Names and values of the outline row; empty for a plain scenario."""
    row = getattr(scenario, "_row", None)
    return tuple(zip(row.headings, row.cells, strict=False)) if row is not None else ()


def examples_of(scenario: BehaveScenario) -> str:
    """The name of the Examples table that the row stands in."""
    match = re.search(r" -- @[\d.]+ ?(.*)$", str(scenario.name))
    return match[1] if match and row_of(scenario) else ""


def setting(config: BehaveConfig, name: str, default: str = "") -> str:
    """A value that was given with `-D name=value`."""
    value = config.userdata.get(name)
    return default if value is None else str(value)


def flag(config: BehaveConfig, name: str) -> bool:
    """Whether `-D name=true` was given."""
    return setting(config, name).strip().lower() in ("1", "true", "yes", "on")


def selected(scenario: Any, config: Any) -> bool:
    """Whether the person who started the run asked for this scenario; a skip with a reason still counts."""
    if config.dry_run or not scenario.should_run_with_tags(config.tag_expression):
        return False
    if not scenario.should_run_with_name_select(config):
        return False
    # `FILE:LINE` marks all other scenarios as skipped, without a reason.
    return not scenario.should_skip or bool(scenario.skip_reason)


def instrument(
    feature: BehaveFeature,
    config: BehaveConfig,
    on_start: Callable[[Any], None],
    on_finish: Callable[[ScenarioResult], None],
) -> list[Any]:
    """Have `begins` and `ends` called around each selected scenario; they must not raise. Returns those.

    `walk_scenarios` includes the rows of outlines and the scenarios of Rules.
    """
    wanted = []
    for scenario in feature.walk_scenarios():
        if selected(scenario, config):
            wanted.append(scenario)
        scenario.run = _instrumented(scenario, scenario.run, on_start, on_finish)
    return wanted


def _instrumented(
    scenario: BehaveScenario,
    inner: Callable[[Any], Any],
    on_start: Callable[[Any], None],
    on_finish: Callable[[ScenarioResult], None],
) -> Callable[[Any], Any]:
    def run(runner: Any) -> Any:
        if not selected(scenario, runner.config):
            return inner(runner)
        start, clock = time.time(), time.monotonic()
        on_start(scenario)

        def end(raised: BaseException | None) -> None:
            try:
                verdict = final_verdict(scenario, raised)
                evidence = tuple(getattr(scenario, "evidence", None) or ())
                measures = tuple(getattr(scenario, "measures", None) or ())
                cells = tuple(getattr(scenario, "cells", None) or ())
                checks = tuple(getattr(scenario, "checks", None) or ())
            except Exception as error:  # noqa: BLE001 - what a hook attached may be anything
                warn_incomplete("verdict", error)
                verdict = Verdict("broken", f"the outcome cannot be read: {type(error).__name__}: {error}")
                evidence, measures, cells, checks = (), (), (), ()
            spent = time.monotonic() - clock
            on_finish(ScenarioResult(scenario, verdict, evidence, measures, start, spent, cells, checks))

        try:
            failed = inner(runner)
        except BaseException as error:
            end(error)
            raise
        end(None)
        return failed

    return run


def final_verdict(scenario: BehaveScenario, raised: BaseException | None = None) -> Verdict:
    """What the guarded runner decided; without one, what follows from behave's statuses."""
    decided = getattr(scenario, "verdict", None)
    if isinstance(decided, Verdict):
        return decided
    if raised is not None:
        return Verdict("broken", f"the run was ended: {_describe(raised)}", _trace(raised))
    return verdict_of(scenario, None)


def feature_errors(feature: Any) -> Iterator[RunError]:
    """The hooks and cleanups of the feature and its Rules that failed; to be asked when it has ended."""
    for item in (feature, *feature.iter_rules()):
        if item.hook_failed:
            message = str(item.error_message or "a hook failed")
            name = match[1] if (match := _HOOK.search(message)) else "hook"
            error = getattr(item, "exception", None)
            trace = _trace(error) if error else ""
        elif item.status.name == "cleanup_error":
            name, message, trace = "cleanup", cleanup_message(item), ""
        else:
            continue
        yield RunError(
            f"{name} ({item.type}: {item.name})", str(feature.name), location_of(item), message, trace
        )


def instrument_run(on_error: Callable[[RunError], None]) -> Any:
    """Have `note` called when `before_all`, `after_all` or a cleanup of the run fails. Returns the runner.

    To be called while a formatter is made. behave gives a formatter no way to its runner, and tells nobody of
    these failures: they are found on the stack and wrapped. None when behave's runner is not there.
    """
    runner = _find_runner()
    if runner is None:
        return None
    for name in ("before_all", "after_all"):
        if name in runner.hooks:
            runner.hooks[name] = _reporting_errors(name, runner.hooks[name], on_error)
    context = runner.context
    context._do_remaining_cleanups = _reporting_errors(  # noqa: SLF001 - behave has no event for it
        "cleanup of the run",
        context._do_remaining_cleanups,  # noqa: SLF001 - behave has no event for it
        on_error,
    )
    return runner


def _reporting_errors(
    name: str, inner: Callable[..., Any], on_error: Callable[[RunError], None]
) -> Callable[..., Any]:
    @functools.wraps(inner)
    def call(*args: object, **kwargs: object) -> Any:
        try:
            return inner(*args, **kwargs)
        except BaseException as error:
            on_error(RunError.from_exception(name, error))
            raise

    return call


class RunErrorWatcher:
    """Has `note` called for whatever fails outside the scenarios of a run, as long as a formatter lives.

    `runner`: behave's, or None when it is not there.
    """

    def __init__(self, on_error: Callable[[RunError], None]) -> None:
        """To be made while the formatter is made."""
        self.runner = instrument_run(on_error)
        self._on_error = on_error
        self._feature: Any = None

    def feature_started(self, feature: BehaveFeature) -> None:
        """A feature begins."""
        self._feature = feature

    def feature_finished(self) -> None:
        """The feature has ended, if there was one."""
        feature, self._feature = self._feature, None
        if feature is not None:
            for failure in feature_errors(feature):
                self._on_error(failure)


def _find_runner() -> Any:
    frame = inspect.currentframe()
    while frame is not None:
        candidate = frame.f_locals.get("self")
        # A runner that leaves the running to workers has no context.
        if hasattr(candidate, "run_hook") and getattr(candidate, "context", None) is not None:
            return candidate
        frame = frame.f_back
    return None


def _describe(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - `__str__` of any error
        text = "(its text cannot be read)"
    if isinstance(error, AssertionError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _trace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - `__str__` of any error
        return ""
