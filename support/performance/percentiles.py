"""Percentiles of a sample with their confidence bounds, and the verdict of a limit on one.

The bounds are order statistics, as in MLPerf's early stopping (Inference Policies, appendix "Early Stopping
Criterion"): no distribution is assumed. They hold for independent values; latencies of one closed loop are
correlated, which is why a comparison of two servers pairs whole rounds instead (`ratio.py`).
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

CONFIDENCE = 0.99
# Of a table of latencies.
LEVELS = (0.5, 0.9, 0.95, 0.99)


class Verdict(enum.Enum):
    """Of a limit: `NOT_ENOUGH_EVIDENCE` where the limit is between the bounds, or a bound is missing."""

    PASS = "pass"
    FAIL = "fail"
    NOT_ENOUGH_EVIDENCE = "not enough evidence"


@dataclass(frozen=True)
class Percentile:
    """`value`: the smallest one that is not below the share `level` of the sample.

    `low`, `high`: between them the percentile of all possible values is, each with `CONFIDENCE`; None where
    the sample is too small for it.
    """

    level: float
    value: float
    low: float | None
    high: float | None
    samples: int

    @property
    def certified(self) -> bool:
        """Whether the sample is large enough for an upper bound; else there is a value and no verdict."""
        return self.high is not None

    def verdict(self, limit: float) -> Verdict:
        """Of the limit `value <= limit`, by the bounds and never by the value alone."""
        if self.high is not None and self.high <= limit:
            return Verdict.PASS
        if self.low is not None and self.low > limit:
            return Verdict.FAIL
        return Verdict.NOT_ENOUGH_EVIDENCE


def percentile(values: Sequence[float], level: float) -> Percentile:
    """Raises `ValueError` for no values, one that is not finite, and a level outside of 0 to 1."""
    if not values or not 0 < level < 1:
        raise ValueError(
            f"a percentile between 0 and 1 of at least one value, not {level:g} of {len(values)}"
        )
    if not all(map(math.isfinite, values)):
        raise ValueError("a value is not finite: a failed request has no latency")
    ordered, samples = sorted(values), len(values)
    above, below = tail(samples, 1 - level), tail(samples, level)
    return Percentile(
        level,
        nearest_rank(ordered, 100 * level),
        ordered[below - 1] if below else None,
        ordered[samples - above] if above else None,
        samples,
    )


def nearest_rank(values: Sequence[float], share: float) -> float:
    """The least of the values such that at least `share` percent are not above it; NaN without any."""
    if not values:
        return math.nan
    # Without what the product of two floats may be above a whole number.
    return sorted(values)[max(1, math.ceil(share / 100 * len(values) - 1e-9)) - 1]


@cache
def tail(samples: int, share: float) -> int:
    """How many values of a sample may be in a tail of this share, its border inside of them; 0: none.

    The largest t with P(Binomial(samples, share) <= t) < 1 - `CONFIDENCE`.
    """
    # Not at the top: it takes longer to import than a short load, whose process needs no bound.
    from scipy import stats

    found = int(stats.binom.ppf(1 - CONFIDENCE, samples, share))
    # `ppf` is the smallest k that reaches the probability: the one before is below it.
    return max(found - 1, 0)


@cache
def smallest_sample(level: float) -> int:
    """Values that an upper bound needs: 64 for the 90th percentile, 130 for the 95th, 662 for the 99th."""
    samples = 1
    while tail(samples, 1 - level) < 1:
        samples += 1
    return samples
