"""Moments in which an interruption has to wait: between getting something and knowing how to release it.

A signal handler may raise anywhere, also after a process was started and before anybody remembers it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class _Gate:
    def __init__(self) -> None:
        self.closed = 0
        self.waiting: BaseException | None = None


_gate = _Gate()


def interrupt(reason: str) -> None:
    """Raise KeyboardInterrupt, now or as soon as nothing has to be finished first. For signal handlers."""
    deliver(KeyboardInterrupt(reason))


def deliver(error: BaseException) -> None:
    """Raise this error in the same way. Only KeyboardInterrupt takes the place of one that waits already."""
    if not _gate.closed:
        raise error
    if _gate.waiting is None or isinstance(error, KeyboardInterrupt):
        _gate.waiting = error


def withdraw(error: BaseException) -> bool:
    """Forget this error when it still waits; whether it did."""
    waited = _gate.waiting is error
    if waited:
        _gate.waiting = None
    return waited


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Finish what is inside, then let an interruption through that came meanwhile. Keep it short."""
    _gate.closed += 1
    try:
        yield
    finally:
        _gate.closed -= 1
        waiting = _gate.waiting
        if waiting is not None and not _gate.closed:
            _gate.waiting = None
            raise waiting
