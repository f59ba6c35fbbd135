"""Deadlines for work that blocks: one thread for all of them, where `threading.Timer` starts one for each."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator


class Deadlines:
    """Calls something when its block has taken too long."""

    def __init__(self) -> None:
        # (when, number to keep the order of equals, action); the thread runs from the first one on.
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._active: set[int] = set()
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def limit(self, seconds: float, expired: Callable[[], None]) -> Iterator[None]:
        """Call `expired` once, from another thread, after so many seconds in this block; never after it."""
        number = self._add(time.monotonic() + seconds, expired)
        try:
            yield
        finally:
            with self._changed:
                self._active.discard(number)

    def _add(self, when: float, expired: Callable[[], None]) -> int:
        with self._changed:
            # An action that raised has ended it.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()
            number = next(self._numbers)
            self._active.add(number)
            heapq.heappush(self._waiting, (when, number, expired))
            if self._waiting[0][1] == number:
                self._changed.notify()
        return number

    def _watch(self) -> None:
        with self._changed:
            while True:
                while self._waiting and self._waiting[0][1] not in self._active:
                    heapq.heappop(self._waiting)
                if not self._waiting:
                    self._changed.wait()
                elif (left := self._waiting[0][0] - time.monotonic()) > 0:
                    self._changed.wait(left)
                else:
                    _, number, expired = heapq.heappop(self._waiting)
                    self._active.discard(number)
                    expired()


DEADLINES = Deadlines()
