"""Waiting with a time limit, on the monotonic clock; the error has what was seen last."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.02


class WaitTimeout(AssertionError):
    """What was awaited did not come in time."""


def wait_until(
    what: str,
    check: Callable[[], T | None],
    *,
    timeout: float,
    alive: Callable[[], bool] | None = None,
    seen: Callable[[], object] | None = None,
    pause: float = POLL_SECONDS,
) -> T:
    """Return the first truthy result of `check`.

    `timeout` is in seconds, `pause` those between two calls of `check`. `alive` ends the wait at once when it
    turns false (the process is gone). `seen` describes the last observation; it goes into the message of the
    `WaitTimeout`.
    """
    started = time.monotonic()
    while True:
        was_alive = alive is None or alive()
        answer = check()
        if answer:
            return answer
        waited = time.monotonic() - started
        last = f"; last seen: {seen()}" if seen else ""
        if not was_alive:
            raise WaitTimeout(f"{what}: the process ended after {waited:.1f} s{last}")
        if waited >= timeout:
            raise WaitTimeout(f"{what}: not within {timeout:.1f} s{last}")
        time.sleep(min(pause, timeout - waited))
