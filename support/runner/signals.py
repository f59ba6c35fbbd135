"""SIGINT and SIGTERM during a run: the first one ends it in order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from support.errors import EXIT_INTERRUPTED, EXIT_TERMINATED
from support.programs.deferred_interrupts import interrupt

NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """Which signal a run has received. `again` is called with every further one; None: those are ignored.

    A worker ignores them: its master passes on the first, and ends it itself at the second. So a SIGTERM for
    all processes of a container does not count twice.
    """

    def __init__(self, again: Callable[[int], None] | None = None) -> None:
        self.received: int | None = None
        # From now on a first signal interrupts nothing: what is under way is the end already.
        self.only_noted = False
        self._again = again

    @property
    def why(self) -> str | None:
        """Why the run ended, when it was a signal."""
        return None if self.received is None else f"the run was ended by {signal.Signals(self.received).name}"

    @property
    def exit_code(self) -> int | None:
        """What the run ends with, when it was a signal."""
        if self.received is None:
            return None
        return EXIT_TERMINATED if self.received == signal.SIGTERM else EXIT_INTERRUPTED

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Receive them inside; may be nested."""
        before = {number: signal.signal(number, self._receive) for number in NUMBERS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.received is None:
            self.received = number
            if not self.only_noted:
                interrupt(str(self.why))
        elif self._again is not None:
            self._again(number)
