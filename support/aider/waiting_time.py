"""How long Aider takes from its first request to its end, and how long it may take.

It may wait as long as is known: the delays of its retries, `Retry-After`, the time limit of a request. All
else depends on the machine, and may take some times as long as the start of the same run: an absolute limit
would fail on a slow machine. The time that the server needs for its answers is not Aider's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from support.aider.run import AiderRun
from support.errors import CheckFailed
from support.http.exchange import NO_STATUS, Exchange

# The rest took up to 3.5 times the start (docs/aider.md); more, for what else the machine does meanwhile.
MOST_STARTS = 30.0


class WaitingTime(NamedTuple):
    """Seconds. `start`: until the first request. `measured`: after it. `known`: of that, what it may wait."""

    start: float
    known: float
    measured: float

    @property
    def bound(self) -> float:
        return self.known + MOST_STARTS * self.start

    def __str__(self) -> str:
        return (
            f"{self.measured:.2f} s from its first request, without the time of the server; at most"
            f" {self.bound:.2f} s: {self.known:g} s of known delays, and {MOST_STARTS:g} times its start"
            f" ({self.start:.2f} s)"
        )

    def require_bound(self) -> None:
        """It is within its bound."""
        if self.measured > self.bound:
            raise CheckFailed(f"Aider waits too long: {self}")


def waiting_time(runs: Sequence[AiderRun], known: float) -> WaitingTime:
    """Of the last run. One that the suite has ended counts until its last request."""
    run = runs[-1]
    exchanges = [request.exchange for request in run.requests]
    if not exchanges:
        raise CheckFailed(f"no request was sent; it printed:\n{run.output[-2000:]}")
    first = exchanges[0].sent_at
    if run.stopped:
        end, answered = exchanges[-1].sent_at, exchanges[:-1]
    else:
        end, answered = run.started + run.seconds, exchanges
    server = sum(_seconds_of_server(exchange) for exchange in answered)
    return WaitingTime(first - run.started, known, max(0.0, end - first - server))


def _seconds_of_server(exchange: Exchange) -> float:
    """Until the last byte, or until it ended the connection without one.

    What comes after the last byte is a wait of Aider, and so is a response that never began.
    """
    if exchange.chunks:
        return exchange.chunks[-1][0]
    return exchange.seconds if exchange.status != NO_STATUS else 0.0
