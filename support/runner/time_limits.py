"""Time budgets: a soft limit interrupts and says where; a hard limit ends what cannot be interrupted.

Every step and every scenario has a budget of its own, and so have hooks and cleanups. The budgets of the
capabilities, which are added up after the run, stand in `support/reporting/report_writer.py`.
"""

from __future__ import annotations

import contextlib
import faulthandler
import linecache
import math
import os
import re
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Literal, TypeVar
from weakref import WeakSet

from support.programs.deferred_interrupts import cancel_pending, raise_when_allowed

T = TypeVar("T")
Kind = Literal["step", "hook", "cleanup"]

# Longer than the longest wait inside of a step (a server that has to become ready): that one says more.
STEP_SECONDS = 75.0
SCENARIO_SECONDS = 120.0
# Of each hook and cleanup. Those that come last have it even when the scenario's budget is spent:
# what was started has to be ended.
HOOK_SECONDS = 20.0
# From the soft limit to the hard one. Who was interrupted and releases what it has gets longer; who goes on
# as if nothing had been, is told so once more.
GRACE_SECONDS = 1.5
RELEASE_SECONDS = 5.0
REPEAT_SECONDS = 0.5
RETRY_SECONDS = 0.01
MAX_FRAMES = 12
STANDARD_ERROR = 2

_TAG = re.compile(r"budget\.(\d+)s")
_OVER = re.compile(r"the \w+ exceeded its budget of ")
# Where the standard library's own callbacks of weak references are.
_WEAK_FILES = {weakref.__file__, WeakSet.__init__.__code__.co_filename}
_HAS_ALARM = hasattr(signal, "setitimer")
# Outermost first.
_active: list[SoftLimit] = []


class BudgetExceeded(BaseException):
    """The soft limit. No Exception: a loop that tries again after each of those would swallow it."""


def budget_of_tags(*levels: Iterable[str]) -> float | None:
    """The seconds of `@budget.10s`; what stands nearer (its own tags, then inherited ones) comes first."""
    for level in levels:
        found = [int(match[1]) for tag in level if (match := _TAG.fullmatch(str(tag)))]
        if found:
            return float(max(found))
    return None


def is_timeout(status: str, message: str) -> bool:
    """Whether a scenario with this outcome failed because of its time alone."""
    return status == "failed" and _OVER.match(message) is not None


class HardLimit:
    """Ends the process with exit code 1 when it is armed for too long: also in C code, also in a dead lock.

    What was asked of it and the stacks of all threads are in the file `stacks` then (None: standard error);
    nothing else of the process is told or released.
    """

    def __init__(self, stacks: Path | None = None) -> None:
        self._path = stacks
        self._file = None if stacks is None else stacks.open("ab", buffering=0)

    def arm(self, seconds: float, message: str) -> None:
        """From now on; replaces what was armed before."""
        if self._file is not None:
            os.ftruncate(self._file.fileno(), 0)
            self._file.write(f"{message}\n".encode())
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._file or STANDARD_ERROR)

    def cancel(self) -> None:
        faulthandler.cancel_dump_traceback_later()
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
    """Raises `BudgetExceeded` in what is inside after so many seconds; `words` open its message.

    It reaches what waits and what computes in Python, not a C call that does not return. Limits may be
    nested. It waits for `uninterrupted()`. An error that replaces it, or code that swallows it, does not
    hide it: it is raised again at the end. It stands back when Ctrl-C is on its way.

    Works on POSIX systems in the main thread, by setitimer and SIGALRM; elsewhere it does nothing, and only
    `HardLimit` is left.
    """

    def __init__(self, message: str, seconds: float, hard: HardLimit | None = None) -> None:
        """`hard` is armed anew when it rings: what is inside needs time to release what it has.

        Later it rings once more, in case that code swallowed the first one; then little time is left.
        """
        self.message = message
        self.seconds = seconds
        self.hard = hard
        self.deadline = math.inf
        self.exceeded: BudgetExceeded | None = None
        self._outer_frame: FrameType | None = None

    def __enter__(self) -> SoftLimit:
        if _HAS_ALARM and threading.current_thread() is threading.main_thread():
            self.deadline = time.monotonic() + self.seconds
            self._outer_frame = sys._getframe(1)
            if not _active:
                signal.signal(signal.SIGALRM, _on_alarm)
            _active.append(self)
            _set_alarm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.deactivate()
        if self.exceeded is not None and not isinstance(error, BudgetExceeded | KeyboardInterrupt):
            raise self.exceeded from error

    def deactivate(self) -> None:
        """It does not ring any more; may be called twice."""
        with contextlib.suppress(ValueError):
            del _active[_active.index(self) :]
            _set_alarm()
        self._outer_frame = None
        if self.exceeded is not None:
            cancel_pending(self.exceeded)

    def expire(self, frame: FrameType | None) -> None:
        """Its time is over, at this place of the code."""
        if _finalizing(frame, self._outer_frame):
            # What is raised there, Python prints and forgets.
            self.deadline = time.monotonic() + RETRY_SECONDS
            _set_alarm()
            return
        # Those inside of it are left as well.
        del _active[_active.index(self) + 1 :]
        again = self.exceeded is not None
        self.deadline = math.inf
        # The second time it is meant for who swallowed the first one, not for who still releases something.
        on_its_way = BudgetExceeded if again else KeyboardInterrupt
        if any(isinstance(error, on_its_way) for error in _being_handled()):
            _set_alarm()
            return
        if self.exceeded is None:
            self.exceeded = BudgetExceeded(
                f"{self.message}; it was here:\n{_traceback_lines(frame, self._outer_frame)}"
            )
            self.deadline = time.monotonic() + REPEAT_SECONDS
        swallowed = again and not cancel_pending(self.exceeded)
        if self.hard is not None:
            seconds = GRACE_SECONDS - REPEAT_SECONDS if swallowed else RELEASE_SECONDS
            self.hard.arm(seconds, f"{self.message}, and did not end when it was interrupted")
        _set_alarm()
        raise_when_allowed(self.exceeded)


def _being_handled() -> Iterator[BaseException]:
    """The error that the interrupted code is handling, and those behind it."""
    error = sys.exception()
    while error is not None:
        yield error
        error = error.__context__


def _finalizing(frame: FrameType | None, outside: FrameType | None) -> bool:
    """Whether this place of the code is in or below a `__del__` or a weak reference's callback."""
    while frame is not None and frame is not outside:
        if frame.f_code.co_name == "__del__" or frame.f_code.co_filename in _WEAK_FILES:
            return True
        frame = frame.f_back
    return False


def _set_alarm() -> None:
    next_one = min((limit.deadline for limit in _active), default=math.inf)
    # Zero means never, and what is over has to ring.
    wait = max(next_one - time.monotonic(), 0.0001) if next_one < math.inf else 0
    signal.setitimer(signal.ITIMER_REAL, wait)


def _on_alarm(_number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    over = next((limit for limit in _active if limit.deadline <= now), None)
    if over is None:
        _set_alarm()
    else:
        over.expire(frame)


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
    """The limits of a run. `factor` scales all of them; `stacks` is where a hard limit leaves its trace."""

    def __init__(self, factor: float = 1.0, stacks: Path | None = None) -> None:
        self._factor = factor
        self._hard = HardLimit(stacks)
        self._scenario = ""
        self._started = 0.0
        self._seconds = self._step_seconds = math.inf
        self._disabled = False

    def begin(self, scenario: str, own: float | None) -> None:
        """A scenario starts, with a budget of its own (which is that of its steps, too) or the usual one."""
        self._scenario, self._started = scenario, time.monotonic()
        self._seconds = (own or SCENARIO_SECONDS) * self._factor
        self._step_seconds = (own or STEP_SECONDS) * self._factor

    def end(self) -> str | None:
        """The scenario has ended; what to say when it took longer than its budget."""
        over, words = self._left() < 0 and not self._disabled, _exceeded("scenario", self._seconds)
        took = time.monotonic() - self._started
        self._scenario, self._seconds, self._step_seconds = "", math.inf, math.inf
        return f"{words}: it took {took:.1f} s" if over else None

    def run(self, kind: Kind, label: str, work: Callable[[], T]) -> T:
        """Do the work of the step, hook or cleanup that `words` name, within its time and the scenario's.

        Raises AssertionError when it takes longer.
        """
        if self._disabled:
            return work()
        own = self._step_seconds if kind == "step" else HOOK_SECONDS * self._factor
        left = math.inf if kind == "cleanup" or label.startswith("after_") else self._left()
        what = _exceeded("scenario", self._seconds) if left < own else _exceeded(kind, own)
        what = f"{what} in {label}"
        seconds = max(min(own, left), 0.0)
        limit = SoftLimit(what, seconds, self._hard)
        try:
            self._hard.arm(
                seconds + GRACE_SECONDS,
                f"{what}, and could not be interrupted\n(scenario: {self._scenario or '-'})",
            )
            with limit:
                return work()
        except BudgetExceeded as error:
            raise AssertionError(str(error)) from None
        finally:
            limit.deactivate()
            self._hard.cancel()

    def disable(self) -> None:
        """No more limits: somebody looks at what runs, in a debugger."""
        self._disabled = True
        self._hard.cancel()
        for limit in _active:
            limit.deadline = math.inf
        if _active:
            _set_alarm()

    def limit(self, label: str, seconds: float) -> SoftLimit:
        """A limit for something small and frequent; raises `BudgetExceeded` there."""
        return SoftLimit(f"{label}: {_exceeded('call', seconds * self._factor)}", seconds * self._factor)

    def close(self) -> None:
        self._hard.close()

    def _left(self) -> float:
        return self._started + self._seconds - time.monotonic()


def _exceeded(what: str, seconds: float) -> str:
    return f"the {what} exceeded its budget of {seconds:g} s"
