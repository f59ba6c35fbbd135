"""The largest load within limits: doubled until one does not hold, then bisected.

More users than that may meet the limits again. Then there is no largest load, and the result is not
monotone: so the load above the first one that does not hold is measured, too.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Of the first load: more than a million times as much is no question of a limit.
MOST_DOUBLINGS = 20
# Of a rate, which is no whole number: as near as this the limit is known.
NEAREST = 0.05


class Held(enum.Enum):
    """Whether the limits hold at a load. `INVALID`: it could not be measured, so nothing is known of it."""

    PASS = "pass"
    FAIL = "fail"
    NOT_ENOUGH_EVIDENCE = "not enough evidence"
    INVALID = "invalid measurement"


@dataclass(frozen=True)
class Point:
    """One load: users, or requests per second. `why`: what was found."""

    load: float
    held: Held
    why: str = ""


@dataclass(frozen=True)
class LoadLimit:
    """All loads that were measured, in this order."""

    points: Sequence[Point]

    @property
    def largest_pass(self) -> float | None:
        """The largest load at which the limits hold, among those below the first failure."""
        below = [load for load in self._loads(Held.PASS) if load < (self.smallest_fail or float("inf"))]
        return max(below, default=None)

    @property
    def smallest_fail(self) -> float | None:
        return min(self._loads(Held.FAIL), default=None)

    @property
    def monotone(self) -> bool:
        """Whether no load passes above one that fails."""
        fail = self.smallest_fail
        return fail is None or all(load < fail for load in self._loads(Held.PASS))

    def _loads(self, held: Held) -> list[float]:
        return [point.load for point in self.points if point.held is held]


def find_limit(measure: Callable[[float], Point], first: float, *, whole: bool) -> LoadLimit:
    """`measure` sends one load. `whole`: it is a number of users, so that the limit is known exactly.

    It ends at a load that cannot be measured in two attempts: client or machine has its own limit there.
    """
    points: list[Point] = []

    def held(load: float) -> Held:
        point = measure(load)
        if point.held is Held.INVALID:
            point = measure(load)
        points.append(point)
        return point.held

    low, high, found = 0.0, first, held(first)
    while found is Held.PASS and len(points) <= MOST_DOUBLINGS:
        low, high = high, high * 2
        found = held(high)
    if found in (Held.PASS, Held.INVALID):
        return LoadLimit(points)
    held(high * 2)
    while high - low > (1 if whole else NEAREST * high):
        middle = (low + high) // 2 if whole else (low + high) / 2
        found = held(middle)
        if found is Held.INVALID:
            break
        low, high = (middle, high) if found is Held.PASS else (low, middle)
    return LoadLimit(points)
