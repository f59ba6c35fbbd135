"""A figure over rounds with its confidence interval: its mean, and the ratio of two targets in alternation.

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
class Interval:
    """The mean of the rounds, and between which values the true one is with a confidence."""

    value: float
    low: float
    high: float
    rounds: int

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g}, {self.rounds} rounds)"


@dataclass(frozen=True)
class Ratio(Interval):
    """First target by second one: geometric mean of the rounds, and its interval."""

    @property
    def differs(self) -> bool:
        """Whether 1 is outside of the interval."""
        return not self.low <= 1 <= self.high

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f}, {self.rounds} rounds)"


def paired_ratio(first: Sequence[float], second: Sequence[float], confidence: float = CONFIDENCE) -> Ratio:
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
    found = _mean([math.log(one / other) for one, other in zip(first, second, strict=True)], confidence)
    return Ratio(math.exp(found.value), math.exp(found.low), math.exp(found.high), rounds)


def mean_of_rounds(values: Sequence[float]) -> Interval:
    """One figure a round; raises `ValueError` for fewer than `FEWEST_ROUNDS`, or one that is not finite."""
    if len(values) < FEWEST_ROUNDS or not all(map(math.isfinite, values)):
        raise ValueError(f"a mean needs {FEWEST_ROUNDS} rounds of finite figures, found {list(values)}")
    return _mean(values, CONFIDENCE)


def _mean(values: Sequence[float], confidence: float) -> Interval:
    center, rounds = fmean(values), len(values)
    quantile = float(stats.t.ppf((1 + confidence) / 2, rounds - 1))
    half = quantile * stdev(values) / math.sqrt(rounds)
    return Interval(center, center - half, center + half, rounds)
