"""What is slower or larger in the second of two finished runs, beyond the confidence interval."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from support.programs.resource_usage import MEGABYTE
from support.reporting.finished_run import FinishedRun
from support.results.safe_text import counted

# The two-sided 95 % quantiles of Student's t distribution for 1 to 10 degrees of freedom
# (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2). For more degrees the last one is kept: the
# interval is then a little too wide.
T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
# Of the columns of resource-usage.csv: title, unit, divisor. CPU time depends on the length of the run.
USAGE_TITLES = {
    "memory_bytes": ("peak memory of the target", "MB", MEGABYTE),
    "threads": ("most threads of the target", "threads", 1.0),
    "open_files": ("most open files of the target", "files", 1.0),
    "gpu_memory_bytes": ("peak memory of the GPU", "MB", MEGABYTE),
}

_Figure = tuple[str, str, str]
"""The title of the scenario, the title of the figure, its unit."""


@dataclass(frozen=True)
class MeasuredChange:
    """A figure that is worse on NEW: the means of both, and the interval of their difference (95 %).

    `scenario`: the title of that which measured it; empty for a figure of the whole run.
    """

    scenario: str
    title: str
    unit: str
    old: float
    new: float
    least: float
    most: float


@dataclass(frozen=True)
class MeasuredChanges:
    """`not_evaluated`: why nothing could be evaluated; else empty. `evaluated`: the number of figures."""

    worse: tuple[MeasuredChange, ...] = ()
    evaluated: int = 0
    not_evaluated: str = ""


def measured_changes(old: FinishedRun, new: FinishedRun) -> MeasuredChanges:
    """The figures that both runs measured, each at least twice."""
    before, after = _figures(old), _figures(new)
    both = [key for key in before if key in after]
    if not both:
        return MeasuredChanges(not_evaluated="nothing was measured on both")
    numbers = len(old.reports), len(new.reports)
    if min(numbers) == 1:
        runs = "one run each" if numbers == (1, 1) else f"{counted(numbers[0], 'run')} and {numbers[1]}"
        return MeasuredChanges(not_evaluated=f"{runs} (run both with `--iterations 3` or more)")
    pairs = [(key, before[key], after[key]) for key in both if min(len(before[key]), len(after[key])) > 1]
    found = [change for key, one, other in pairs if (change := _change(key, one, other))]
    return MeasuredChanges(tuple(found), len(pairs))


def difference_interval(old: Sequence[float], new: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of the difference of the means, the variances being unequal.

    Degrees of freedom: those of the smaller sample, a lower bound of Welch's.
    """
    degrees = min(len(old), len(new)) - 1
    error = math.sqrt(stdev(old) ** 2 / len(old) + stdev(new) ** 2 / len(new))
    half = T95[min(degrees, len(T95)) - 1] * error
    difference = mean(new) - mean(old)
    return difference - half, difference + half


def _change(key: _Figure, old: Sequence[float], new: Sequence[float]) -> MeasuredChange | None:
    least, most = difference_interval(old, new)
    # Of a rate, less is worse.
    worse = most < 0 if key[-1].endswith("/s") else least > 0
    return MeasuredChange(*key, mean(old), mean(new), least, most) if worse else None


def _figures(run: FinishedRun) -> dict[_Figure, list[float]]:
    """The values of each figure, one of each run."""
    found: dict[_Figure, list[float]] = defaultdict(list)
    for report in run.reports:
        for row in report.tests:
            for measure in row.measures:
                found[row.name, measure.title, measure.unit].append(measure.value)
    for peaks in run.usage:
        for name, (title, unit, divisor) in USAGE_TITLES.items():
            if name in peaks:
                found["", title, unit].append(peaks[name] / divisor)
    return found
