"""Whether the requests of all workers together arrive as those of one open loop with Poisson's arrivals.

Gaps between Poisson's arrivals are distributed exponentially: their mean is 1 / rate, and so is their
standard deviation. Two workers with the same seed would send in pairs, workers in step evenly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean, pstdev

from scipy import stats

from support.performance.load.clock import SECOND

# A difference that is less probable is none by chance: one load in a million would be invalid for nothing.
SIGNIFICANCE = 1e-6
FEWEST_GAPS = 20


def no_poisson_reason(scheduled_ns: Mapping[int, Sequence[int]], rate: float) -> str | None:
    """Why the times, by worker, are no arrivals of Poisson's at this rate per second; None if they may be.

    Kolmogorov and Smirnov's test of the gaps, while all workers send.
    """
    begin, end = max(map(min, scheduled_ns.values())), min(map(max, scheduled_ns.values()))
    arrivals = sorted(time for times in scheduled_ns.values() for time in times if begin <= time <= end)
    gaps = [(after - before) / SECOND for before, after in pairwise(arrivals)]
    if len(gaps) < FEWEST_GAPS or stats.kstest(gaps, "expon", args=(0, 1 / rate)).pvalue >= SIGNIFICANCE:
        return None
    return (
        f"the requests of all workers are no Poisson arrivals at {rate:g} per second: the gaps between them"
        f" have a mean of {1000 * fmean(gaps):.3g} ms and a deviation of {1000 * pstdev(gaps):.3g} ms"
    )
