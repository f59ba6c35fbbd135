"""Loads in rounds on one server, and whether they meet a service level.

The loads of a round follow each other, and each round has all of them, so that a change of the machine meets
all alike. A load whose measurement is invalid is not judged, and neither is one with too few requests.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from support.errors import CheckFailed, NotSupported
from support.performance.limits import Judgement, Threshold
from support.performance.load.plan import LoadPlan
from support.performance.load.program import sending_seconds
from support.performance.load.summary import turn_lines
from support.performance.load_figures import FIRST_TOKEN, PER_TOKEN, only_timed_out
from support.performance.measured_load import FIGURES, GAP_RATIO, MeasuredLoad, Round
from support.performance.percentiles import Verdict, nearest_rank
from support.performance.resources import MIB, ResourceUse
from support.performance.thresholds import Profile
from support.performance.validity import anomalies, invalid_latency_reasons, invalid_load_reasons
from support.programs.cpu_contention import MOST_OTHERS, not_judged
from support.results.safe_text import counted

# Of loads that are compared: with three, Student's interval is twice as wide.
ROUNDS = 5
_TIMES = ((FIRST_TOKEN, 50), (FIRST_TOKEN, 90), (PER_TOKEN, 50), (PER_TOKEN, 90))
_HEADER = (
    f"{'load':22}  TTFT p50       p90   ITL p50       p90   lag p99 ms   tokens/s   failed"
    "   MiB: idle    peak   after   J/token   GPU %"
)


class MeasuredLoads:
    """The loads of one scenario."""

    def __init__(self, loads: Sequence[MeasuredLoad]) -> None:
        self.loads = loads

    def require_level(self, name: str, profile: Profile) -> None:
        """Each limit of the level holds, and no request has failed.

        Raises `CheckFailed` for a limit that certainly does not hold, `NotSupported` for one of which there
        is not enough evidence, or when the measurement is invalid.
        """
        self._require_no_failures()
        level = profile.level(name)
        self._require_valid([limit for limit in level if isinstance(limit, Threshold) and limit.is_of_times])
        judged = [one for limit in level for one in limit.judge(self.loads)]
        failed = [one for one in judged if one.verdict is Verdict.FAIL]
        certain = [one for one in failed if not one.disturbed]
        open_ones = [one for one in judged if one.verdict is Verdict.NOT_ENOUGH_EVIDENCE]
        what = f"{name!r} of the profile {profile.name}"
        if certain:
            raise CheckFailed(f"{what}: {Verdict.FAIL.value}: {_joined(certain)}")
        if failed:
            most = max(one.others for one in failed)
            raise NotSupported(f"{what}: {not_judged(most, _joined(failed))}")
        if open_ones:
            raise NotSupported(f"{what}: {Verdict.NOT_ENOUGH_EVIDENCE.value}: {_joined(open_ones)}")

    def table(self) -> str:
        """The figures of each load, for people."""
        lines = [_HEADER, *(_row(load) for load in self.loads if load.rounds)]
        lines += [f"{load.name}: not sent" for load in self.loads if not load.rounds]
        own = [
            f"{load.name}: {name} {value:.4g} {FIGURES[name].unit}"
            for load in self.loads
            for name in sorted({name for one in load.rounds for name in one.own})
            if (value := load.mean(name)) is not None
        ]
        turns = [
            line
            for load in self.loads
            if load.plan.turns > 1
            for line in (f"{load.name}, by turn:", *turn_lines(load.figures.requests, load.plan.turns))
        ]
        reasons = [f"invalid: {reason}" for reason in self._load_reasons()]
        judged = [load for load in self.loads if not load.any_load]
        seen = [f"anomaly: {one}" for load in judged for one in load.reasons(anomalies)]
        return "\n".join([*lines, *own, *turns, *reasons, *seen])

    def _load_reasons(self) -> list[str]:
        return [
            reason
            for load in self.loads
            if not load.any_load
            for reason in load.reasons(partial(invalid_load_reasons, cached=load.repeats))
        ]

    def _require_no_failures(self) -> None:
        for load in self.loads:
            if failed := load.failed:
                kinds = sorted({f"{one.failure.value} ({one.detail})"[:200] for one in failed})
                text = (
                    f"{load.name}: {len(failed)} of {counted(len(load.figures.requests), 'request')} failed:"
                    f" {'; '.join(kinds[:3])}"
                )
                if load.others > MOST_OTHERS and only_timed_out(failed):
                    raise NotSupported(not_judged(load.others, text))
                raise CheckFailed(text)

    def _require_valid(self, thresholds: Sequence[Threshold]) -> None:
        """Ratios of rounds in alternation need no exact times, and no steady state: only the same load."""
        found = self._load_reasons()
        if thresholds:
            tokens = min(load.plan.output_tokens for load in self.loads)
            shortest = min(threshold.shortest_ms(tokens) for threshold in thresholds)
            within = all(threshold.metric == GAP_RATIO for threshold in thresholds)
            find = partial(invalid_latency_reasons, shortest_ms=shortest, within_requests=within)
            found += [reason for load in self.loads if not load.any_load for reason in load.reasons(find)]
        if found:
            raise NotSupported(f"the measurement is invalid, nothing is judged: {'; '.join(found)}")


def _joined(judged: Iterable[Judgement]) -> str:
    return "; ".join(map(str, judged))


def _row(load: MeasuredLoad) -> str:
    figures = load.figures
    times = "  ".join(f"{nearest_rank(figures.latencies(name), share):8.2f}" for name, share in _TIMES)
    lag = max((result.quality.lag_p99_us for result in load.results), default=0.0) / 1000
    uses = [one.use for one in load.rounds]
    memory = (_shown(_mean(uses, of, MIB)) for of in (lambda u: u.idle, lambda u: u.peak, lambda u: u.after))
    energy, gpu = load.mean("energy per token"), _mean(uses, lambda use: use.gpu_percent, 1)
    return (
        f"{load.name:22}  {times}  {lag:11.2f}  {figures.tokens_per_second:9.0f}  {len(figures.failed):7}"
        f"  {''.join(memory):>24}  {_shown(energy, '9.3g'):>8}  {_shown(gpu):>6}"
    )


def _mean(
    uses: Iterable[ResourceUse], of: Callable[[ResourceUse], float | None], unit: float
) -> float | None:
    known = [value for value in map(of, uses) if value is not None]
    return sum(known) / len(known) / unit if known else None


def _shown(value: float | None, form: str = "8.1f") -> str:
    """A dash: not measured."""
    return f"{'-':>8}" if value is None else format(value, form)


# Sends the load of a plan once, and leaves its files in a folder.
Send = Callable[[LoadPlan, Path], Round]


@dataclass(frozen=True)
class PlannedLoad:
    """One load of a table; `MeasuredLoad` has what the fields mean.

    `start_seconds`: the longest start of a server that `send` starts.
    """

    name: str
    plan: LoadPlan
    send: Send
    overload: bool = False
    repeats: bool = False
    file_size: int | None = None
    start_seconds: float = 0.0

    @property
    def longest_seconds(self) -> float:
        """Sent once, it takes no longer: each request ends within its time limit."""
        return self.start_seconds + sending_seconds(self.plan)

    def measured(self, rounds: Sequence[Round]) -> MeasuredLoad:
        return MeasuredLoad(self.name, self.plan, rounds, self.overload, self.repeats, self.file_size)


def measure_loads(
    loads: Sequence[PlannedLoad], folder: Path, rounds: int, within: float = math.inf
) -> MeasuredLoads:
    """Send all loads in so many rounds. A request that fails ends them: it decides.

    No load is sent that might not end `within` so many seconds: on a machine that slow, or with a target that
    stalls in each request, fewer rounds have to do.
    """
    done: list[list[Round]] = [[] for _ in loads]
    groups, start = _groups(loads), time.monotonic()
    for position, group in enumerate(groups, 1):
        end = start + within * position / len(groups)
        for number in range(rounds):
            # There and back, so that none always follows the same one.
            for index in group if number % 2 == 0 or len(groups) > 1 else reversed(group):
                load = loads[index]
                if time.monotonic() + load.longest_seconds > end:
                    continue
                own = folder / f"load-{index + 1}-{number + 1}"
                own.mkdir(parents=True)
                done[index].append(load.send(load.plan, own))
                if load.measured(done[index][-1:]).failed:
                    return _measured(loads, done)
    return _measured(loads, done)


def _groups(loads: Sequence[PlannedLoad]) -> list[list[int]]:
    """Whose rounds follow each other; all of what comes before an overload is sent before the first one.

    A server may be slow for ever after an overload: a load before the second one would be as slow.
    """
    indexes = list(range(len(loads)))
    first = next((index for index in indexes if loads[index].overload), 0)
    return [group for group in (indexes[:first], indexes[first:]) if group]


def _measured(loads: Sequence[PlannedLoad], done: Sequence[Sequence[Round]]) -> MeasuredLoads:
    """Also the loads that were not sent, without rounds."""
    return MeasuredLoads([load.measured(found) for load, found in zip(loads, done, strict=True)])
