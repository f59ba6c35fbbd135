"""One attempt to start a server: ready or refused, and how long that took."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from support.servers.mistralrs import Server, StartFailure


@dataclass(frozen=True)
class LaunchResult:
    """`server` when it became ready, else `failure`; `seconds` from the start to either."""

    server: Server | None
    failure: StartFailure | None
    seconds: float


def launch(start: Callable[[], Server]) -> LaunchResult:
    """Try to start; a refusal is an answer here, not an error."""
    began = time.monotonic()
    try:
        return LaunchResult(start(), None, time.monotonic() - began)
    except StartFailure as failure:
        return LaunchResult(None, failure, time.monotonic() - began)
