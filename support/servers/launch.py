"""One attempt to start a server: ready or refused, and how long that took."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from support.servers.mistralrs import Server, StartFailure


@dataclass(frozen=True)
class Attempt:
    """`server` when it became ready, else `failure`; `seconds` from the start to either."""

    server: Server | None
    failure: StartFailure | None
    seconds: float


def attempt(start: Callable[[], Server]) -> Attempt:
    """Try to start; a refusal is an answer here, not an error."""
    began = time.monotonic()
    try:
        return Attempt(start(), None, time.monotonic() - began)
    except StartFailure as failure:
        return Attempt(None, failure, time.monotonic() - began)
