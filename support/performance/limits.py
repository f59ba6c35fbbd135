"""The limits of service levels, and their verdicts: pass, fail or not enough evidence, never by one value.

A percentile is judged by the bounds of its order statistics, a ratio of two loads and the mean of a figure by
Student's interval over rounds. A limit that fails while other programs had the CPU is not judged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from support.errors import SettingsError
from support.name_registry import unknown
from support.performance.load.record import RequestRecord
from support.performance.load_figures import LATENCIES, MILLISECOND, PER_TOKEN, LoadFigures
from support.performance.measured_load import (
    EVENTS_PER_SEGMENT,
    FIGURES,
    GAP_RATIO,
    VISIBLE_GAP_MS,
    MeasuredLoad,
    gap_ratio,
)
from support.performance.percentiles import Percentile, Verdict, percentile
from support.performance.ratio import FEWEST_ROUNDS, Interval, mean_of_rounds, paired_ratio
from support.performance.resources import MIB
from support.programs.cpu_contention import MOST_OTHERS


def _milliseconds(metric: str) -> Callable[[RequestRecord], float | None]:
    def of(request: RequestRecord) -> float | None:
        time = LATENCIES[metric](request)
        return None if time is None else time / MILLISECOND

    return of


# Of a request, with the unit; None for one that failed, or has no such figure.
OF_REQUESTS: Mapping[str, tuple[str, Callable[[RequestRecord], float | None]]] = {
    **{metric: (" ms", _milliseconds(metric)) for metric in LATENCIES},
    GAP_RATIO: ("", gap_ratio),
    EVENTS_PER_SEGMENT: ("", lambda request: request.events_per_segment),
}


@dataclass(frozen=True)
class Judgement:
    """`text`: the limit and what was found. `timed`: whether other programs of the machine change it."""

    text: str
    verdict: Verdict
    others: float = 0.0
    timed: bool = True

    @property
    def disturbed(self) -> bool:
        """Whether a failure may be that of other programs."""
        return self.timed and self.others > MOST_OTHERS

    def __str__(self) -> str:
        return self.text


class Limit(Protocol):
    """One limit of a service level. `metric`: what it limits."""

    @property
    def metric(self) -> str: ...

    def judge(self, loads: Sequence[MeasuredLoad]) -> Iterator[Judgement]:
        """One for each load that it applies to; raises `SettingsError` for a load that there is not."""


@dataclass(frozen=True)
class Threshold:
    """Of each load: `metric`, a name of `OF_REQUESTS`, at its percentile `level` (0.9) is at most `limit`."""

    metric: str
    level: float
    limit: float

    def judge(self, loads: Sequence[MeasuredLoad]) -> Iterator[Judgement]:
        for load in loads:
            if not load.overload:
                found = self.judge_figures(load.figures)
                yield Judgement(f"{load.name}: {found.text}", found.verdict, load.others)

    def judge_figures(self, figures: LoadFigures) -> Judgement:
        """By the requests of one load; without any, there is no evidence."""
        unit, of = OF_REQUESTS[self.metric]
        values = [value for value in map(of, figures.requests) if value is not None]
        if not values:
            return Judgement(f"{self}: no request has one", Verdict.NOT_ENOUGH_EVIDENCE)
        found = percentile(values, self.level)
        return Judgement(f"{self}: {_shown(found, unit)}", found.verdict(self.limit))

    @property
    def is_of_times(self) -> bool:
        """Whether exact times decide it."""
        return self.metric != EVENTS_PER_SEGMENT

    def shortest_ms(self, tokens: int) -> float:
        """The time between the two events that decide it, at the limit: an answer has so many tokens."""
        if self.metric == GAP_RATIO:
            return self.limit * VISIBLE_GAP_MS
        return self.limit * (max(tokens - 1, 1) if self.metric == PER_TOKEN else 1)

    def __str__(self) -> str:
        return f"{self.metric} p{self.level * 100:g} <= {self.limit:g}{OF_REQUESTS[self.metric][0]}"


def _shown(found: Percentile, unit: str) -> str:
    low, high = ("?" if bound is None else f"{bound:.3g}" for bound in (found.low, found.high))
    return f"{found.value:.3g}{unit} ({low} to {high}, {found.samples} requests)"


@dataclass(frozen=True)
class Bounds:
    """From `least` to `most`; None for no such bound."""

    least: float | None = None
    most: float | None = None

    def verdict(self, found: Interval) -> Verdict:
        """By the whole interval."""
        least = -math.inf if self.least is None else self.least
        most = math.inf if self.most is None else self.most
        if found.high < least or found.low > most:
            return Verdict.FAIL
        if least <= found.low and found.high <= most:
            return Verdict.PASS
        return Verdict.NOT_ENOUGH_EVIDENCE

    def __str__(self) -> str:
        parts = ((">=", self.least), ("<=", self.most))
        return " and ".join(f"{sign} {bound:g}" for sign, bound in parts if bound is not None)


@dataclass(frozen=True)
class RatioLimit:
    """`metric`, a name of `FIGURES`, of the load `of` divided by that of the load `by`, paired by rounds."""

    metric: str
    of: str
    by: str
    bounds: Bounds

    def judge(self, loads: Sequence[MeasuredLoad]) -> Iterator[Judgement]:
        first, second = (_load_of(loads, name) for name in (self.of, self.by))
        values = first.of_rounds(self.metric), second.of_rounds(self.metric)
        pairs = [(a, b) for a, b in zip(*values, strict=False) if a and b and a > 0 and b > 0]
        others, timed = max(first.others, second.others), FIGURES[self.metric].timed
        if len(pairs) < FEWEST_ROUNDS:
            yield _not_measured(self, len(pairs))
            return
        ratio = paired_ratio([one for one, _ in pairs], [other for _, other in pairs])
        yield Judgement(f"{self}: {ratio}", self.bounds.verdict(ratio), others, timed)

    def __str__(self) -> str:
        return f"{self.metric} of {self.of!r} by {self.by!r} {self.bounds}"


@dataclass(frozen=True)
class MeanLimit:
    """Of each load: `metric`, a name of `FIGURES`, its mean over the rounds.

    `for_each_mib`: added to the upper bound for each MiB of the file of the model.
    """

    metric: str
    bounds: Bounds
    for_each_mib: float = 0.0

    def judge(self, loads: Sequence[MeasuredLoad]) -> Iterator[Judgement]:
        figure = FIGURES[self.metric]
        for load in loads:
            if load.overload:
                continue
            values = [value for value in load.of_rounds(self.metric) if value is not None]
            if len(values) < FEWEST_ROUNDS:
                yield _not_measured(self, len(values), f"{load.name}: ")
                continue
            bounds, mean = self._bounds_for(load), mean_of_rounds(values)
            text = f"{load.name}: {self.metric} {bounds} {figure.unit}: {mean}"
            yield Judgement(text, bounds.verdict(mean), load.others, figure.timed)

    def _bounds_for(self, load: MeasuredLoad) -> Bounds:
        if self.bounds.most is None or not load.file_size:
            return self.bounds
        return Bounds(self.bounds.least, self.bounds.most + self.for_each_mib * load.file_size / MIB)

    def __str__(self) -> str:
        return f"{self.metric} {self.bounds} {FIGURES[self.metric].unit}"


def _not_measured(limit: Limit, rounds: int, load: str = "") -> Judgement:
    found = f"measured in {rounds} rounds only, {FEWEST_ROUNDS} are needed" if rounds else "not measured"
    return Judgement(f"{load}{limit}: {found}", Verdict.NOT_ENOUGH_EVIDENCE)


def _load_of(loads: Iterable[MeasuredLoad], name: str) -> MeasuredLoad:
    named = {load.name: load for load in loads}
    if name not in named:
        raise SettingsError(unknown("load", name, named))
    return named[name]
