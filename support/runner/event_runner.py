"""behave's runner with listeners: the start and the end of each scenario, and what failed outside of them.

behave informs a formatter of steps only. A formatter of the suite adds itself to
`config.acceptance_listeners` while it is made (support/reporting/behave_events.py has the interface).

An error in a listener or a formatter does not end the run: behave 1.3.3 ends without its remaining hooks when
one raises, and waits for ever when one hangs.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ParamSpec, TypeVar

from behave.runner import Runner

from support.programs.deferred_interrupts import defer_interrupts
from support.reporting.behave_events import (
    LISTENERS,
    FinishedScenario,
    RunError,
    RunListener,
    location_of,
    selected,
    warn_incomplete,
)
from support.results.behave_types import BehaveConfig, BehaveFeature, BehaveFormatter, BehaveScenario
from support.results.outcome import Verdict
from support.results.verdicts import cleanup_message, interrupted, verdict_of
from support.runner.time_limits import HOOK_SECONDS, BudgetExceeded, Budgets

P = ParamSpec("P")
R = TypeVar("R")
_HOOK = re.compile(r"HOOK-ERROR in (\w+)")


class EventRunner(Runner):  # type: ignore[misc]
    """Calls its listeners. A subclass may run a scenario in its own way (`run_scenario`)."""

    def __init__(self, config: BehaveConfig) -> None:
        super().__init__(config)
        self.listeners: list[RunListener] = []
        setattr(config, LISTENERS, self.listeners)

    def run_model(self, features: Iterable[BehaveFeature] | None = None) -> bool:
        """Run the features; whether anything failed."""
        scenarios = (scenario for feature in self.features for scenario in feature.walk_scenarios())
        number = sum(selected(scenario, self.config) for scenario in scenarios)
        self._notify("run_started", number)
        for name in ("before_all", "after_all"):
            if name in self.hooks:
                self.hooks[name] = self._reporting_errors(name, self.hooks[name])
        if self.context is not None:
            cleanups = self.context._do_remaining_cleanups  # noqa: SLF001 - behave has no event for it
            self.context._do_remaining_cleanups = self._reporting_errors(  # noqa: SLF001 - see above
                "cleanup of the run", cleanups
            )
        return bool(super().run_model(self._observed(self.features if features is None else features)))

    def run_scenario(
        self,
        scenario: BehaveScenario,  # noqa: ARG002 - for those who override it
        run: Callable[[Any], bool],
    ) -> bool:
        """Run it by `run`; whether it failed."""
        return bool(run(self))

    def notify_run_error(self, error: RunError) -> None:
        """Report what failed outside all scenarios."""
        self._notify("run_error", error)

    def _notify(self, event: str, argument: object) -> None:
        for listener in self.listeners:
            try:
                getattr(listener, event)(argument)
            except Exception as error:  # noqa: BLE001 - an incomplete report does not change a result
                warn_incomplete(f"{type(listener).__name__}.{event}", error)

    def _observed(self, features: Iterable[BehaveFeature]) -> Iterator[BehaveFeature]:
        for feature in features:
            for scenario in feature.walk_scenarios():
                scenario.run = self._observed_scenario(scenario, scenario.run)
            feature.run = self._observed_feature(feature, feature.run)
            yield feature

    def _observed_feature(
        self, feature: BehaveFeature, inner: Callable[[Any], bool]
    ) -> Callable[[Any], bool]:
        def run(runner: Any) -> bool:
            try:
                return inner(runner)
            finally:
                for error in feature_errors(feature):
                    self.notify_run_error(error)

        return run

    def _observed_scenario(
        self, scenario: BehaveScenario, inner: Callable[[Any], bool]
    ) -> Callable[[Any], bool]:
        def run(runner: Any) -> bool:
            if not selected(scenario, self.config):
                return inner(runner)
            start, clock = time.time(), time.monotonic()
            raised: BaseException | None = None
            try:
                # A signal that arrives meanwhile interrupts this scenario.
                self._notify("scenario_started", scenario)
                return self.run_scenario(scenario, inner)
            except BaseException as error:
                raised = error
                raise
            finally:
                with defer_interrupts():
                    finished = finished_scenario(scenario, raised, start, time.monotonic() - clock)
                    self._notify("scenario_finished", finished)

        return run

    def _reporting_errors(self, name: str, work: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(work)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return work(*args, **kwargs)
            except BaseException as error:
                self.notify_run_error(RunError.from_exception(name, error))
                raise

        return call


class GuardedFormatter:
    """A formatter with a time limit, which passes its errors on (once per method) instead of raising."""

    def __init__(
        self,
        formatter: BehaveFormatter,
        budgets: Budgets,
        report_error: Callable[[str, BaseException], None],
    ) -> None:
        self._formatter = formatter
        self._budgets = budgets
        self._report_error = report_error
        self._reported: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._formatter, name)
        return self._guarded(name, value) if callable(value) else value

    def _guarded(self, name: str, method: Callable[P, R]) -> Callable[P, R | None]:
        @functools.wraps(method)
        def call(*args: P.args, **kwargs: P.kwargs) -> R | None:
            what = f"formatter {type(self._formatter).__name__}, {name}"
            try:
                with self._budgets.limit(what, HOOK_SECONDS):
                    return method(*args, **kwargs)
            except (Exception, SystemExit, BudgetExceeded) as error:  # noqa: BLE001 - any formatter
                if name not in self._reported:
                    self._reported.add(name)
                    self._report_error(what, error)
                return None

        return call


def finished_scenario(
    scenario: BehaveScenario, raised: BaseException | None, start: float, duration: float
) -> FinishedScenario:
    """The result of a scenario that has ended; `raised` ended the run in it."""
    try:
        verdict = final_verdict(scenario, raised)
        parts = {
            name: tuple(getattr(scenario, name, None) or ()) for name in ("evidence", "measures", "checks")
        }
    except Exception as error:  # noqa: BLE001 - what a hook attached may be anything
        warn_incomplete("verdict", error)
        verdict = Verdict("broken", f"the outcome cannot be read: {type(error).__name__}: {error}")
        parts = {}
    return FinishedScenario(scenario, verdict, start=start, duration=duration, **parts)


def final_verdict(scenario: BehaveScenario, raised: BaseException | None = None) -> Verdict:
    """The verdict that the runner decided; without one, what follows from behave's statuses."""
    decided = getattr(scenario, "verdict", None)
    if isinstance(decided, Verdict):
        return decided
    if isinstance(raised, KeyboardInterrupt):
        return interrupted(str(raised) or "the run was interrupted")
    if raised is not None:
        error = RunError.from_exception("", raised)
        return Verdict("broken", f"the run was ended: {error.message}", error.trace)
    return verdict_of(scenario, None)


def feature_errors(feature: BehaveFeature) -> Iterator[RunError]:
    """The hooks and cleanups of the feature and its Rules that failed; for a feature that has ended."""
    for item in (feature, *feature.iter_rules()):
        if item.hook_failed:
            message = str(item.error_message or "a hook failed")
            name = match[1] if (match := _HOOK.search(message)) else "hook"
            error = getattr(item, "exception", None)
            trace = RunError.from_exception("", error).trace if error else ""
        elif item.status.name == "cleanup_error":
            name, message, trace = "cleanup", cleanup_message(item), ""
        else:
            continue
        yield RunError(
            f"{name} ({item.type}: {item.name})", str(feature.name), location_of(item), message, trace
        )
