"""Keeps a formatter chosen with `-f` from ending the run.

behave 1.3.3 ends without its remaining hooks when a formatter raises, and waits for ever when one hangs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from support.reporting.behave_events import RunError
from support.results.behave_types import BehaveFormatter
from support.runner.time_limits import HOOK_SECONDS, BudgetExceeded, Budgets

P = ParamSpec("P")
R = TypeVar("R")


class GuardedFormatter:
    """A formatter whose errors are reported once per method; the run continues, and fails."""

    def __init__(
        self, formatter: BehaveFormatter, budgets: Budgets, report_error: Callable[[RunError], None]
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
                    self._report_error(RunError.from_exception(what, error))
                return None

        return call
