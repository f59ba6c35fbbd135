"""Whether a series of measurements in time order has a trend or a step: a figure of it would mean nothing.

The trend is Mann-Kendall's, with Theil and Sen's slope as its size; the step Pettitt's. Both compare ranks,
so that single slow requests do not decide. A trend that is certain, but smaller than `SMALLEST_CHANGE`, is
none.
After the steady-state design of MLPerf Endpoints.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from scipy import stats

SIGNIFICANCE = 0.01
SMALLEST_CHANGE = 0.05
# Fewer values have no trend that Mann and Kendall's test could find at this level.
FEWEST_VALUES = 8


@dataclass(frozen=True)
class SteadyState:
    """`change`: of the trend line from the first value to the last one, as a share of the median.

    `step`: the index of the first value after a step, or None. `enough`: whether there were enough values.
    """

    change: float
    trend: bool
    step: int | None
    enough: bool

    @property
    def steady(self) -> bool:
        """Whether there is neither a trend nor a step, of enough values."""
        return self.enough and not self.trend and self.step is None

    def __str__(self) -> str:
        if not self.enough:
            return f"not known: fewer than {FEWEST_VALUES} values"
        step = f", a step at value {self.step + 1}" if self.step is not None else ""
        kind = "no steady state" if not self.steady else "steady state"
        return f"{kind}: {self.change:+.1%} from the first value to the last one{step}"


def steady_state(values: Sequence[float]) -> SteadyState:
    """Values in time order, all of them positive; raises `ValueError` for others."""
    if not all(value > 0 and math.isfinite(value) for value in values):
        raise ValueError("a trend needs positive values; a failed request has none")
    if len(values) < FEWEST_VALUES:
        return SteadyState(0.0, trend=False, step=None, enough=False)
    times, center = range(len(values)), median(values)
    slope = float(stats.theilslopes(values).slope)
    change = slope * (len(values) - 1) / center
    certain = float(stats.kendalltau(times, values).pvalue) < SIGNIFICANCE
    trend = certain and abs(change) >= SMALLEST_CHANGE
    return SteadyState(change, trend, step=_step(values, center), enough=True)


def _step(values: Sequence[float], center: float) -> int | None:
    """Pettitt's change point: its test has the largest sum of signs between both parts."""
    ranks = stats.rankdata(values)
    samples = len(values)
    sums = list(itertools.accumulate(2 * float(rank) - (samples + 1) for rank in ranks))
    at = max(range(samples - 1), key=lambda index: abs(sums[index]))
    chance = 2 * math.exp(-6 * sums[at] ** 2 / (samples**3 + samples**2))
    before, after = values[: at + 1], values[at + 1 :]
    size = abs(median(after) - median(before)) / center
    return at + 1 if chance < SIGNIFICANCE and size >= SMALLEST_CHANGE else None
