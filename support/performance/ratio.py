"""The ratio of two targets, measured in alternation: a mean over rounds with its confidence interval.

A round has both targets, so that what drifts affects both. The interval is Student's over the logarithms of
the rounds' ratios: requests of one round are not independent, rounds are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy import stats

CONFIDENCE = 0.95
# Two rounds have an interval, of 12.7 standard errors: it excludes hardly anything.
FEWEST_ROUNDS = 3


@dataclass(frozen=True)
class Ratio:
    """First target by second one: geometric mean of the rounds, and the interval with `CONFIDENCE`."""

    value: float
    low: float
    high: float
    rounds: int

    @property
    def differs(self) -> bool:
        """Whether 1 is outside of the interval."""
        return not self.low <= 1 <= self.high

    def differs_by(self, share: float) -> bool:
        """Whether the whole interval is more than this share away from 1: 0.05 is 5 percent up or down."""
        return self.low > 1 + share or self.high < 1 / (1 + share)

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f}, {self.rounds} rounds)"


def paired_ratio(first: Sequence[float], second: Sequence[float]) -> Ratio:
    """One figure a round of each target, in the same order.

    Raises `ValueError` for series of different lengths, fewer than `FEWEST_ROUNDS`, or a figure that is not
    positive.
    """
    rounds = len(first)
    if rounds != len(second):
        raise ValueError(f"{rounds} rounds of the first target and {len(second)} of the second one")
    if rounds < FEWEST_ROUNDS:
        raise ValueError(f"a ratio needs {FEWEST_ROUNDS} rounds, found {rounds}")
    if not all(value > 0 and math.isfinite(value) for value in (*first, *second)):
        raise ValueError("a ratio needs positive figures in each round")
    logarithms = [math.log(one / other) for one, other in zip(first, second, strict=True)]
    center = fmean(logarithms)
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, rounds - 1))
    half = quantile * stdev(logarithms) / math.sqrt(rounds)
    return Ratio(math.exp(center), math.exp(center - half), math.exp(center + half), rounds)
