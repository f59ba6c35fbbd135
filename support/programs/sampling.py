"""A thread that samples until it is stopped, and takes a last sample then."""

from __future__ import annotations

import threading
from collections.abc import Callable


class SamplingThread:
    """Runs `work` from `start` to `stop`; `work` waits between its samples for `stopping`."""

    def __init__(self, name: str, work: Callable[[], None], interval: float) -> None:
        """`interval`: seconds between two samples."""
        self.stopping = threading.Event()
        self._interval = interval
        self._thread = threading.Thread(target=work, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Have the last sample taken; a thread that hangs does not hold up the end of the run."""
        self.stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10 * self._interval)
