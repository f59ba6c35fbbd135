"""A formatter that someone chose, kept from ending the run.

behave 1.3.3 ends without its remaining hooks when a formatter raises, and waits for ever when one hangs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from support.reporting.behave_events import RunError
from support.runner.time_limits import HOOK_SECONDS, BudgetExceeded, Budgets


class GuardedFormatter:
    """All of a formatter; what it raises is told once per method, and the run goes on, red."""

    def __init__(self, formatter: Any, budgets: Budgets, report_error: Callable[[RunError], None]) -> None:
        self._formatter = formatter
        self._budgets = budgets
        self._report_error = report_error
        self._reported: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._formatter, name)
        return self._guarded(name, value) if callable(value) else value

    def _guarded(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            what = f"formatter {type(self._formatter).__name__}, {name}"
            try:
                with self._budgets.limit(what, HOOK_SECONDS):
                    return method(*args, **kwargs)
            except (Exception, SystemExit, BudgetExceeded) as error:
                if name not in self._reported:
                    self._reported.add(name)
                    self._report_error(RunError.from_exception(what, error))

        return call
