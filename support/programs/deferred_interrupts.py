"""Sections in which an interruption waits: between the acquisition of something and the note to release it.

A signal handler can raise anywhere, also after the start of a process and before it is registered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class _Deferral:
    def __init__(self) -> None:
        self.depth = 0
        self.pending: BaseException | None = None


_deferral = _Deferral()


def raise_interrupt(reason: str) -> None:
    """Raise KeyboardInterrupt, now or at the end of `defer_interrupts`. For signal handlers."""
    raise_when_allowed(KeyboardInterrupt(reason))


def raise_when_allowed(error: BaseException) -> None:
    """Raise this error in the same way. Only KeyboardInterrupt replaces one that waits already."""
    if not _deferral.depth:
        raise error
    if _deferral.pending is None or isinstance(error, KeyboardInterrupt):
        _deferral.pending = error


def cancel_pending(error: BaseException) -> bool:
    """Drop this error when it still waits; whether it did."""
    waited = _deferral.pending is error
    if waited:
        _deferral.pending = None
    return waited


@contextmanager
def defer_interrupts() -> Iterator[None]:
    """Delay interruptions until the end of the block. Keep it short."""
    _deferral.depth += 1
    try:
        yield
    finally:
        _deferral.depth -= 1
        waiting = _deferral.pending
        if waiting is not None and not _deferral.depth:
            _deferral.pending = None
            raise waiting
