"""A thread that samples until it is stopped, and takes a last sample then."""

from __future__ import annotations

import threading
from collections.abc import Callable

# How long the last sample may take: much longer than a sample, on a busy machine too.
STOP_SECONDS = 10.0


class SamplingThread:
    """Runs `work` from `start` to `stop`; `work` waits between its samples for `stopping`."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=work, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Have the last sample taken; a thread that hangs does not hold up the end of the run."""
        self.stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=STOP_SECONDS)
