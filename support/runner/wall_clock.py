"""Whether the wall clock was set, or the machine slept, while a scenario ran: its failures do not count then.

Samples of Prometheus, time stamps in responses and stamps of the kernel are of the wall clock, and are
compared with times that the suite has read before and after.
"""

from __future__ import annotations

import time

# Beyond it the clock was set; a daemon that adjusts it slowly is far below within a scenario.
MOST_SECONDS = 1.0


class WallClock:
    """The wall clock beside the monotonic one, which nobody sets."""

    def __init__(self) -> None:
        self._before = self._difference()

    def moved(self) -> float:
        """Seconds by which it was set since then, negative for back; 0 where that is too little to matter."""
        moved = self._difference() - self._before
        return moved if abs(moved) > MOST_SECONDS else 0.0

    @staticmethod
    def _difference() -> float:
        return time.time() - time.monotonic()
