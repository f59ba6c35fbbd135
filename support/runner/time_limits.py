"""Time limits of steps, hooks and cleanups. A run always ends, names the place, and continues.

- Soft limit (`SoftLimit`): SIGALRM raises in the code that takes too long; its error shows where that was.
- Hard limit (`HardLimit`): for code that the soft limit does not stop (a C call, a swallowed error). It
  writes the stacks of all threads and ends the process. The coordinator replaces a worker that ended so
  (support/runner/coordinator.py); a run without workers ends. A scenario has one for all its steps, since to
  arm it takes as long as a short step.

Each step and each scenario has a budget, and so has each hook and cleanup. The budgets of the capabilities,
which are added up after the run, are in `support/reporting/report_writer.py`.
"""

from __future__ import annotations

import faulthandler
import linecache
import math
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Literal, TypeVar

from support.errors import TimeLimitExceeded
from support.programs.deferred_interrupts import cancel_pending, raise_when_allowed

T = TypeVar("T")
Kind = Literal["step", "hook", "cleanup"]

# Longer than the longest wait inside of a step (a server that has to become ready), which has more details.
STEP_SECONDS = 75.0
SCENARIO_SECONDS = 120.0
# Of each hook and cleanup. The last ones have it even when the scenario's budget is used up: what was
# started has to be ended.
HOOK_SECONDS = 20.0
# From the soft limit to the hard one: time to release what is held. Longer than the end of a server takes
# (support/programs/process.py, TERMINATE_SECONDS).
RELEASE_SECONDS = 5.0
# A timer of zero seconds would be switched off.
SHORTEST_SECONDS = 0.0001
# The alarm repeats until Python has handled it: one that arrives just before a system call blocks does not
# interrupt the call.
ALARM_INTERVAL_SECONDS = 0.1
MAX_FRAMES = 12
STANDARD_ERROR = 2

_TAG = re.compile(r"budget\.(\d+)s")
_HAS_ALARM = hasattr(signal, "setitimer")
# The soft limit in force. There is one timer, and one limit at a time: those inside of it do nothing.
_active: SoftLimit | None = None


class BudgetExceeded(BaseException):
    """The soft limit. Not an Exception: a loop that retries after each of those would swallow it."""


def budget_of_tags(*levels: Iterable[str]) -> float | None:
    """The seconds of `@budget.10s`. The nearest level counts (its own tags, then inherited ones)."""
    for level in levels:
        found = [int(match[1]) for tag in level if (match := _TAG.fullmatch(str(tag)))]
        if found:
            return float(max(found))
    return None


class HardLimit:
    """Ends the process with exit code 1 when it stays armed for too long: also in C code, also in a deadlock.

    The file `stacks` (None: standard error) then has the message and the stacks of all threads; no cleanup
    runs and no report is written by this process.
    """

    def __init__(self, stacks: Path | None = None) -> None:
        self.armed = False
        self._path = stacks
        self._file = None if stacks is None else stacks.open("ab", buffering=0)

    def arm(self, seconds: float) -> None:
        """From now on; replaces what was armed before."""
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._file or STANDARD_ERROR)
        self.armed = True

    def describe(self, message: str) -> None:
        """Write the message in case that the process ends now."""
        if self._file is not None:
            os.ftruncate(self._file.fileno(), 0)
            self._file.write(f"{message}\n".encode())

    def cancel(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        self.armed = False
        if self._file is not None:
            os.ftruncate(self._file.fileno(), 0)

    def close(self) -> None:
        """Cancel, and remove the empty file."""
        self.cancel()
        if self._file is not None and self._path is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)
            self._file = None


class SoftLimit:
    """Raises `BudgetExceeded` in its block after `seconds`; `message` begins the text of the error.

    It reaches code that waits and code that computes in Python, not a C call that does not return. It waits
    for `defer_interrupts()`. An error that replaces it, or code that swallows it, does not hide it: it is
    raised again at the end of the block. It does not replace a KeyboardInterrupt that is being handled.
    Inside of another one it does nothing.

    Works on POSIX systems in the main thread, by setitimer and SIGALRM; elsewhere it does nothing, and only
    `HardLimit` is left.
    """

    def __init__(self, message: str, seconds: float) -> None:
        self.message = message
        self.seconds = seconds
        self.exceeded: BudgetExceeded | None = None
        self._outer_frame: FrameType | None = None
        self._outer_hook = sys.unraisablehook

    def __enter__(self) -> SoftLimit:
        global _active
        if _active is None and _HAS_ALARM and threading.current_thread() is threading.main_thread():
            _active = self
            self._outer_frame = sys._getframe(1)  # noqa: SLF001 - `inspect` has no cheap equivalent
            self._outer_hook, sys.unraisablehook = sys.unraisablehook, self._raise_again
            signal.signal(signal.SIGALRM, self._expire)
            signal.setitimer(signal.ITIMER_REAL, max(self.seconds, SHORTEST_SECONDS), ALARM_INTERVAL_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
        if self.exceeded is not None and not isinstance(error, BudgetExceeded | KeyboardInterrupt):
            raise self.exceeded from error

    def cancel(self) -> None:
        """Stop the timer; may be called twice."""
        global _active
        if _active is self:
            signal.setitimer(signal.ITIMER_REAL, 0)
            _active = self._outer_frame = None
            sys.unraisablehook = self._outer_hook
        if self.exceeded is not None:
            cancel_pending(self.exceeded)

    def _expire(self, _number: int, frame: FrameType | None) -> None:
        # An alarm that was on its way when the timer was stopped.
        if _active is not self:
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        if _is_handling_keyboard_interrupt():
            return
        self.exceeded = BudgetExceeded(
            f"{self.message}; it was here:\n{_traceback_lines(frame, self._outer_frame)}"
        )
        raise_when_allowed(self.exceeded)

    def _raise_again(self, unraisable: sys.UnraisableHookArgs) -> None:
        """Repeat the alarm: Python drops what is raised in a finalizer or in a weak reference's callback."""
        if unraisable.exc_value is not self.exceeded or _active is not self:
            self._outer_hook(unraisable)
            return
        signal.setitimer(signal.ITIMER_REAL, ALARM_INTERVAL_SECONDS, ALARM_INTERVAL_SECONDS)


def _is_handling_keyboard_interrupt() -> bool:
    error = sys.exception()
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False


def _traceback_lines(frame: FrameType | None, outside: FrameType | None) -> str:
    """The calls from `outside` (without it) to `frame`, the innermost last, one line each."""
    lines: list[str] = []
    while frame is not None and frame is not outside:
        path, code = Path(frame.f_code.co_filename), frame.f_code.co_name
        place = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        source = linecache.getline(str(path), frame.f_lineno).strip()
        lines.insert(0, f"  {place}:{frame.f_lineno} {code}: {source}")
        frame = frame.f_back
    if len(lines) > MAX_FRAMES:
        half = MAX_FRAMES // 2
        lines[half:-half] = [f"  ... {len(lines) - MAX_FRAMES} more"]
    return "\n".join(lines)


class Budgets:
    """The time limits of a run. `factor` scales all; a hard limit writes its stacks to the file `stacks`."""

    def __init__(self, factor: float = 1.0, stacks: Path | None = None) -> None:
        self._factor = factor
        self._hard = HardLimit(stacks)
        self._scenario = ""
        self._started = 0.0
        self._seconds = self._step_seconds = self._step_ends = math.inf
        self._disabled = False

    def begin(self, scenario: str, own: float | None) -> None:
        """A scenario starts, with a budget of its own (which is that of its steps, too) or the usual one."""
        self._scenario, self._started = scenario, time.monotonic()
        self._seconds = (own or SCENARIO_SECONDS) * self._factor
        self._step_seconds = (own or STEP_SECONDS) * self._factor

    def end(self) -> str | None:
        """The scenario has ended; the message when it took longer than its budget."""
        self._hard.cancel()
        over, message = self._left() < 0 and not self._disabled, _exceeded("scenario", self._seconds)
        took = time.monotonic() - self._started
        self._scenario, self._seconds, self._step_seconds = "", math.inf, math.inf
        return f"{message}: it took {took:.1f} s" if over else None

    def run(self, kind: Kind, label: str, work: Callable[[], T]) -> T:
        """Run the step, hook or cleanup called `label` within its budget and the scenario's.

        Inside of another one, that one's limit is in force. Raises `TimeLimitExceeded` when it takes longer.
        """
        if self._disabled or _active is not None:
            return work()
        own = self._step_seconds if kind == "step" else HOOK_SECONDS * self._factor
        left = math.inf if kind == "cleanup" or label.startswith("after_") else self._left()
        what = _exceeded("scenario", self._seconds) if left < own else _exceeded(kind, own)
        limit = SoftLimit(f"{what} in {label}", max(min(own, left), 0.0))
        self._step_ends = time.monotonic() + limit.seconds
        try:
            self._hard.describe(
                f"{what} in {label}, and did not end within {RELEASE_SECONDS:g} s of its interruption\n"
                f"(scenario: {self._scenario or '-'})"
            )
            if left == math.inf:
                self._hard.arm(own + RELEASE_SECONDS)
            elif not self._hard.armed:
                self._hard.arm(max(left, 0.0) + RELEASE_SECONDS)
            with limit:
                return work()
        except BudgetExceeded as error:
            raise TimeLimitExceeded(str(error)) from None
        finally:
            limit.cancel()
            self._step_ends = math.inf
            if left == math.inf:
                self._hard.cancel()

    def step_seconds_left(self) -> float:
        """Of the step, hook or cleanup that runs now; without end outside of one, and without limits."""
        return math.inf if self._disabled else self._step_ends - time.monotonic()

    def disable(self) -> None:
        """No more limits: a person debugs the run."""
        self._disabled = True
        self._hard.cancel()
        if _active is not None:
            _active.cancel()

    def limit(self, label: str, seconds: float) -> SoftLimit:
        """A limit for something small and frequent; raises `BudgetExceeded` there."""
        return SoftLimit(f"{label}: {_exceeded('call', seconds * self._factor)}", seconds * self._factor)

    def close(self) -> None:
        self._hard.close()

    def _left(self) -> float:
        return self._started + self._seconds - time.monotonic()


def _exceeded(what: str, seconds: float) -> str:
    return f"the {what} exceeded its budget of {seconds:g} s"
