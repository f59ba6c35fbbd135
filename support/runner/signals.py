"""SIGINT and SIGTERM during a run: the first one ends it in order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from support.errors import EXIT_INTERRUPTED, EXIT_TERMINATED
from support.programs.deferred_interrupts import raise_interrupt
from support.programs.process import terminate_at_once

HANDLED_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """The signal that a run has received.

    `on_first_signal` is called with it, `on_second_signal` with each further one, if given. From the first
    one on, processes get no time to end by themselves.

    A worker ignores those: its coordinator passes the first one on, and kills it at the second. So a SIGTERM
    for all processes of a container does not count twice.
    """

    def __init__(
        self,
        on_first_signal: Callable[[int], None] | None = None,
        on_second_signal: Callable[[int], None] | None = None,
    ) -> None:
        self.received: int | None = None
        # When true, a first signal interrupts nothing: the run is ending already.
        self.record_only = False
        self._on_first_signal = on_first_signal
        self._on_second_signal = on_second_signal

    @property
    def why(self) -> str | None:
        """Why the run ended, when a signal ended it."""
        return None if self.received is None else f"the run was ended by {signal.Signals(self.received).name}"

    @property
    def exit_code(self) -> int | None:
        """The exit code of the run, when a signal ended it."""
        if self.received is None:
            return None
        return EXIT_TERMINATED if self.received == signal.SIGTERM else EXIT_INTERRUPTED

    @contextmanager
    def handling(self) -> Iterator[None]:
        """Handle them inside; may be nested."""
        before = {number: signal.signal(number, self._receive) for number in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.received is None:
            self.received = number
            terminate_at_once()
            if self._on_first_signal is not None:
                self._on_first_signal(number)
            if not self.record_only:
                raise_interrupt(str(self.why))
        elif self._on_second_signal is not None:
            self._on_second_signal(number)
