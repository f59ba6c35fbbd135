"""The load over time, in tenths of the measured part (docs/metrics.md has the formulas)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from support.performance.load.clock import SECOND
from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadResult

TENTHS = 10
# On average ten in each tenth: of fewer, a single one is more than 10 % of its rate.
FEWEST_REQUESTS = 100
RATE, IN_FLIGHT = "requests per second", "requests in flight"


@dataclass(frozen=True)
class Tenth:
    """`begin`, `end`: seconds from the first sending of a measured request.

    `rate`: requests per second, as sent; `in_flight`: their mean number. `requested_rate`: of an open loop;
    `requested_in_flight`: the users of a closed one.
    """

    begin: float
    end: float
    rate: float
    requested_rate: float | None
    in_flight: float
    requested_in_flight: int | None


@dataclass(frozen=True)
class LoadOverTime:
    """`tenths`: of the time from the first to the last sending of a measured request, with requests of any
    phase. `left_out`: why there are none; empty where there are ten.
    """

    tenths: Sequence[Tenth]
    left_out: str = ""

    @classmethod
    def of(cls, result: LoadResult) -> LoadOverTime:
        if result.plan.trace:
            return cls([], "a trace has no rate that was requested")
        measured = [one.sent_ns for one in result.measured]
        begin, end = (min(measured), max(measured)) if measured else (0, 0)
        sent = sorted(one.sent_ns for one in result.records if begin <= one.sent_ns <= end)
        if len(sent) < FEWEST_REQUESTS:
            return cls([], f"{len(sent)} requests; tenths need {FEWEST_REQUESTS}")
        # Of a ramp, the first request is due at its start.
        start = min(one.scheduled_ns for one in result.records)
        edges = [begin + (end - begin) * number // TENTHS for number in range(TENTHS + 1)]
        return cls(
            [
                Tenth(
                    begin=(since - begin) / SECOND,
                    end=(until - begin) / SECOND,
                    rate=(_issued(sent, until) - _issued(sent, since)) * SECOND / (until - since),
                    requested_rate=_requested_rate(result.plan, ((since + until) / 2 - start) / SECOND),
                    in_flight=_mean_in_flight(result, since, until),
                    requested_in_flight=result.plan.users or None,
                )
                for since, until in pairwise(edges)
            ]
        )

    @property
    def figures(self) -> Mapping[str, float]:
        """What was measured, by name."""
        return {
            f"tenth {number}: {name}": value
            for number, tenth in enumerate(self.tenths, 1)
            for name, value in ((RATE, tenth.rate), (IN_FLIGHT, tenth.in_flight))
        }

    def line(self) -> str:
        """The lowest and the highest tenth: rates of an open loop, requests in flight of a closed one."""
        if self.left_out:
            return f"load over time: left out ({self.left_out})"
        rates = [(one.rate, one.requested_rate) for one in self.tenths if one.requested_rate is not None]
        users = [(one.in_flight, one.requested_in_flight) for one in self.tenths if one.requested_in_flight]
        found, requested = zip(*(rates or users), strict=True)
        ends = " to ".join(f"{round(one, 2):g}" for one in sorted({min(requested), max(requested)}))
        name = RATE if rates else IN_FLIGHT
        return (
            f"{name} by tenth of the measured part: {min(found):.2f} to {max(found):.2f} of {ends} requested"
        )

    def table(self) -> Iterator[str]:
        """In Markdown; a line where it is left out."""
        if self.left_out:
            yield f"Load over time: left out ({self.left_out})."
            return
        yield f"| tenth | seconds | {RATE} | requested | {IN_FLIGHT} | requested |"
        yield "|---|---|---|---|---|---|"
        for number, one in enumerate(self.tenths, 1):
            requested = "" if one.requested_rate is None else f"{one.requested_rate:.2f}"
            users = one.requested_in_flight or ""
            yield (
                f"| {number} | {one.begin:.1f} to {one.end:.1f} | {one.rate:.2f} | {requested} "
                f"| {one.in_flight:.2f} | {users} |"
            )


def _issued(sent: Sequence[int], moment: int) -> float:
    """How many after the first one until a moment. Between two sendings it grows evenly: a whole number would
    be wrong by up to one request at either end of a tenth.
    """
    number = bisect_right(sent, moment)
    if number == len(sent):
        return number - 1
    before, after = sent[number - 1], sent[number]
    return number - 1 + (moment - before) / (after - before)


def _requested_rate(plan: LoadPlan, at: float) -> float | None:
    """Of an open loop, `at` so many seconds from its start. On a ramp, that of the middle is the mean."""
    if not plan.rate:
        return None
    return plan.rate * at / plan.seconds if plan.arrivals == "ramp" else plan.rate


def _mean_in_flight(result: LoadResult, since: int, until: int) -> float:
    inside = (min(until, one.end_ns) - max(since, one.sent_ns) for one in result.records)
    return sum(max(0, time) for time in inside) / (until - since)
