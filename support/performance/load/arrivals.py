"""Which phase of a load a request belongs to, and when the requests of an open loop are due."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator

from support.performance.load.clock import SECOND
from support.performance.load.coordination import Alone
from support.performance.load.plan import LoadPlan
from support.performance.load.record import Phase


def due_times(plan: LoadPlan) -> Iterator[int]:
    """Nanoseconds from the start of an open loop, without end: one per 1/rate seconds, Poisson's, or a ramp.

    Those of a trace end with it.
    """
    if plan.trace:
        yield from (round(request.at_ms * SECOND / 1000) for request in plan.trace)
        return
    if plan.arrivals == "ramp":
        yield from _ramp(plan.rate, plan.seconds, plan.first_request)
    chance = random.Random(plan.seed)
    at = plan.first_request / plan.rate
    while True:
        yield round(at * SECOND)
        # Added up from the start, not from when the last one was sent: a late one delays none after it.
        at += chance.expovariate(plan.rate) if plan.arrivals == "poisson" else 1 / plan.rate


def _ramp(rate: float, seconds: float, first: float) -> Iterator[int]:
    """The rate rises linearly from 0: request n is due where its integral, rate * t^2 / (2 * seconds), is n.

    After the ramp the rate stays.
    """
    on_ramp = rate * seconds / 2
    for number in itertools.count():
        passed = first + number
        if passed <= on_ramp:
            yield round(math.sqrt(2 * seconds * passed / rate) * SECOND)
        else:
            yield round((seconds + (passed - on_ramp) / rate) * SECOND)


class Phases:
    """Warm-up, measured, cool-down; none of them waits until the requests of the last one have ended.

    A load that drains between warm-up and measurement begins with an empty server once more. And the last
    measured requests would be served faster if nothing followed them: so the load goes on until they have
    ended.
    """

    def __init__(self, plan: LoadPlan, start: int, others: Alone | None = None) -> None:
        """`start`: of the load, in nanoseconds."""
        self._plan, self._others = plan, others or Alone()
        self._warm_until = start + round(plan.warm_up_seconds * SECOND)
        # The users of a closed loop that have ended no request yet.
        self._cold = set(range(plan.users))
        self._measured_since: int | None = None
        self._issued = self._in_flight = 0
        self._complete = False

    def next(self, now: int) -> Phase | None:
        """The phase of the request that is issued now; None when there is nothing left to send."""
        if self._measured_since is None:
            if now < self._warm_until or self._cold:
                return Phase.WARM_UP
            # Of a rate: the first request of a share is due later than that of another one.
            self._measured_since = self._warm_until if self._plan.rate else now
        self._complete = self._complete or self._has_all(now - self._measured_since)
        if not self._complete:
            self._issued += 1
            self._in_flight += 1
            return Phase.MEASURED
        return Phase.COOL_DOWN if self._in_flight or not self._others.is_to_end() else None

    @property
    def all_measured_ended(self) -> bool:
        """Whether no measured request is open now."""
        return not self._in_flight

    def end(self, phase: Phase, user: int) -> None:
        """A request has ended, in whatever way."""
        self._cold.discard(user)
        if phase is Phase.MEASURED:
            self._in_flight -= 1

    def _has_all(self, elapsed: int) -> bool:
        plan = self._plan
        return bool(plan.requests and self._issued >= plan.requests) or bool(
            plan.seconds and elapsed >= plan.seconds * SECOND
        )
