"""A load against the last accepted one of the same machine, and the steps in the history of its figures.

By ratio with an interval, and never by points. The interval is Welch's over the logarithms of the parts of
both loads. Starts of a server differ more than the parts of one load: with enough earlier loads, the interval
is not narrower than their spread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, stdev, variance

from scipy import stats

from support.performance.comparison import CONFIDENCE, THROUGHPUT, Finding, finding_of
from support.performance.history_entries import shown_value
from support.performance.load_history import HistoryEntry, LoadHistory
from support.performance.ratio import FEWEST_ROUNDS, Ratio
from support.performance.steady_state import steady_state
from support.results.safe_text import counted


@dataclass(frozen=True)
class Change:
    """Of a figure: the new load by the accepted one."""

    figure: str
    ratio: Ratio

    @property
    def finding(self) -> str:
        """`slower`, `faster`, or that there is none, or no evidence."""
        finding = finding_of(self.ratio)
        if finding is Finding.DIFFERS:
            return "slower" if (self.ratio.value > 1) != (self.figure == THROUGHPUT) else "faster"
        return str(finding.value)

    def __str__(self) -> str:
        ratio = self.ratio
        return f"{self.figure}: {ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f}): {self.finding}"


def change_of(
    figure: str, new: HistoryEntry, accepted: HistoryEntry, earlier: Sequence[HistoryEntry]
) -> Change:
    """`earlier`: loads of the program and version of the accepted one, with it."""
    ours, theirs = ([math.log(value) for value in one.figures[figure]] for one in (new, accepted))
    center = fmean(ours) - fmean(theirs)
    half = max(_welch(ours, theirs), _of_loads([math.log(one.value(figure)) for one in earlier]))
    low, high = math.exp(center - half), math.exp(center + half)
    return Change(figure, Ratio(math.exp(center), low, high, len(ours)))


def _welch(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Half of the interval of a difference of two means, the variances being unequal."""
    one, other = variance(ours) / len(ours), variance(theirs) / len(theirs)
    if not one + other:
        return 0.0
    degrees = (one + other) ** 2 / (one**2 / (len(ours) - 1) + other**2 / (len(theirs) - 1))
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, degrees)) * math.sqrt(one + other)


def _of_loads(means: Sequence[float]) -> float:
    """Half of the interval of the difference of two loads; 0 with too few of them."""
    if len(means) < FEWEST_ROUNDS:
        return 0.0
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, len(means) - 1)) * stdev(means) * math.sqrt(2)


def lines(new: HistoryEntry, history: LoadHistory) -> Iterator[str]:
    """What the history shows of a load that it does not have yet; the first line is always there."""
    if new.invalid:
        yield f"history: an invalid load is compared with none: {'; '.join(new.invalid)}"
        return
    series = history.of_series(new)
    accepted = next((one for one in reversed(series) if one.accepted), None)
    if accepted is None:
        others = len(history.of_other_machines(new))
        elsewhere = f"; {counted(others, 'load')} of other machines" if others else ""
        yield f"history: the first load of its kind on this machine ({new.machine}){elsewhere}"
        return
    number = counted(len(series), "earlier load")
    yield f"history: {number} on this machine; by the accepted one of {accepted.label}:"
    same = [one for one in series if one.version == accepted.version]
    for figure in new.figures:
        if figure not in accepted.figures:
            continue
        if min(len(one.figures[figure]) for one in (new, accepted)) < FEWEST_ROUNDS:
            yield f"  {figure}: {shown_value(new, figure)}, accepted: {shown_value(accepted, figure)}"
            continue
        known = [one for one in same if figure in one.figures]
        yield f"  {change_of(figure, new, accepted, known)}"
    yield from step_lines([*series, new])


def keep(entry: HistoryEntry, file: Path, report: Callable[[str], None]) -> None:
    """Compare a load with the history, and add it there; `report` gets each line."""
    history = LoadHistory.read(file, report)
    for line in lines(entry, history):
        report(line)
    history.add(entry, report)


def step_lines(series: Sequence[HistoryEntry]) -> Iterator[str]:
    """One line for each figure whose series has a change point (Pettitt)."""
    for figure in dict.fromkeys(figure for one in series for figure in one.figures):
        known = [one for one in series if figure in one.figures]
        values = [one.value(figure) for one in known]
        step = steady_state(values).step if values else None
        if step is not None:
            change = median(values[step:]) / median(values[:step]) - 1
            yield f"  change point: {figure}: {change:+.0%} from {known[step].label} on"


def history_lines(history: LoadHistory) -> Iterator[str]:
    """All loads, by their series, with the numbers for `--accept`."""
    numbered = list(enumerate(history.entries, 1))
    for series in dict.fromkeys(entry.series for entry in history.entries):
        own = [(number, entry) for number, entry in numbered if entry.series == series]
        machine, _, model, load = series
        yield f"{model}: {load}; {machine}"
        for number, entry in own:
            kind = "invalid" if entry.invalid else "accepted" if entry.accepted else ""
            shown = ", ".join(f"{figure} {shown_value(entry, figure)}" for figure in entry.figures)
            yield f"{number:5} {entry.label:40} {kind:9} {shown}"
        yield from step_lines([entry for _, entry in own if not entry.invalid])
