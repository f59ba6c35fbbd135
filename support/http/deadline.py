"""Deadlines for work that blocks: one thread for all of them, where `threading.Timer` starts one for each."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator


class Deadlines:
    """Calls something when its block has taken too long."""

    def __init__(self) -> None:
        # When each block that runs has taken too long, and what to call then.
        self._blocks: dict[object, tuple[float, Callable[[], None]]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wakes_at = math.inf

    @contextlib.contextmanager
    def limit(self, seconds: float, expired: Callable[[], None]) -> Iterator[None]:
        """Call `expired` once, from another thread, after so many seconds in this block; never after it."""
        block, when = object(), time.monotonic() + seconds
        with self._changed:
            self._blocks[block] = (when, expired)
            # An action that raised has ended it.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()
            elif when < self._wakes_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._blocks.pop(block, None)

    def _watch(self) -> None:
        with self._changed:
            while True:
                for block, (when, expired) in list(self._blocks.items()):
                    if when <= time.monotonic():
                        del self._blocks[block]
                        expired()
                self._wakes_at = min((when for when, _ in self._blocks.values()), default=math.inf)
                left = self._wakes_at - time.monotonic()
                self._changed.wait(None if left == math.inf else left)


DEADLINES = Deadlines()
