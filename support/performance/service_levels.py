"""Loads in rounds on one server, and what they show: a service level, or how throughput grows with users.

The loads of a round follow each other, and each round has all of them, so that a change of the machine meets
all alike. A load whose measurement is invalid is not judged, and neither is one with too few requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from support.errors import CheckFailed, NotSupported
from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadResult, longest_seconds, run_load
from support.performance.load_figures import FIRST_TOKEN, PER_TOKEN, LoadFigures
from support.performance.percentiles import Verdict, nearest_rank
from support.performance.ratio import paired_ratio
from support.performance.thresholds import Profile
from support.performance.validity import invalid_latency_reasons, invalid_load_reasons
from support.results.safe_text import counted

# The columns of a table of loads, and their fields in a plan.
COLUMNS = {
    "users": "users",
    "requests": "requests",
    "prompt words": "prompt_words",
    "output tokens": "output_tokens",
}
# Of loads that are compared: with three, Student's interval is twice as wide.
ROUNDS = 5


@dataclass(frozen=True)
class MeasuredLoad:
    """The same load in each round."""

    plan: LoadPlan
    rounds: Sequence[LoadResult]

    @property
    def name(self) -> str:
        return f"{counted(self.plan.users, 'user')}, {self.plan.prompt_words} words"

    @cached_property
    def figures(self) -> LoadFigures:
        """Of all rounds together."""
        requests = [request for result in self.rounds for request in result.measured]
        speeds = self.tokens_per_second
        return LoadFigures(requests, sum(speeds) / len(speeds))

    @cached_property
    def tokens_per_second(self) -> list[float]:
        """Of each round."""
        return [LoadFigures.of(result).tokens_per_second for result in self.rounds]

    def reasons(self, find: Callable[[LoadResult], Iterable[str]]) -> Iterator[str]:
        """Why it is invalid, by this function, with the number of the round."""
        for number, result in enumerate(self.rounds, 1):
            yield from (f"{self.name}, round {number}: {reason}" for reason in find(result))


class MeasuredLoads:
    """The loads of one scenario."""

    def __init__(self, loads: Sequence[MeasuredLoad]) -> None:
        self.loads = loads

    def require_level(self, name: str, profile: Profile) -> None:
        """Each threshold of the level holds for each load, and no request has failed.

        Raises `CheckFailed` for a threshold that certainly does not hold, `NotSupported` for one of which
        there is not enough evidence, or when the measurement is invalid.
        """
        self._require_no_failures()
        level = profile.level(name)
        tokens = min(load.plan.output_tokens for load in self.loads)
        shortest = min(threshold.shortest_ms(tokens) for threshold in level)
        self._require_valid(invalid_load_reasons, partial(invalid_latency_reasons, shortest_ms=shortest))
        judged = [(load, threshold.judge(load.figures)) for load in self.loads for threshold in level]
        for verdict, error in ((Verdict.FAIL, CheckFailed), (Verdict.NOT_ENOUGH_EVIDENCE, NotSupported)):
            if found := [f"{load.name}: {one}" for load, one in judged if one.verdict is verdict]:
                raise error(f"{name!r} of the profile {profile.name}: {verdict.value}: {'; '.join(found)}")

    def require_growth(self, users: int, factor: float, fewer: int) -> None:
        """So many users get this many times the tokens per second of fewer ones, or more.

        Raises as `require_level` does.
        """
        self._require_no_failures()
        # Rounds in alternation need no exact times, and no steady state: only the same load in each.
        self._require_valid(invalid_load_reasons)
        ratio = paired_ratio(self._with(users).tokens_per_second, self._with(fewer).tokens_per_second)
        text = f"tokens per second of {users} users by those of {counted(fewer, 'user')}: {ratio}"
        if ratio.high < factor:
            raise CheckFailed(f"{text}, expected {factor:g} or more")
        if ratio.low < factor:
            raise NotSupported(f"not enough evidence: {text}, expected {factor:g} or more")

    def table(self) -> str:
        """The figures of each load, for people."""
        lines = [
            "load                    TTFT p50       p90   ITL p50       p90   lag p99 ms   tokens/s   failed"
        ]
        for load in self.loads:
            figures = load.figures
            times = [
                nearest_rank(figures.latencies(metric), share)
                for metric in (FIRST_TOKEN, PER_TOKEN)
                for share in (50, 90)
            ]
            lag = max(result.quality.lag_p99_us for result in load.rounds) / 1000
            shown = "  ".join(f"{time:8.2f}" for time in times)
            lines.append(
                f"{load.name:22}  {shown}  {lag:11.2f}  {figures.tokens_per_second:9.0f}"
                f"  {len(figures.failed):7}"
            )
        return "\n".join([*lines, *(f"invalid: {reason}" for reason in self._reasons(invalid_load_reasons))])

    def _reasons(self, *finders: Callable[[LoadResult], Iterable[str]]) -> list[str]:
        return [reason for load in self.loads for find in finders for reason in load.reasons(find)]

    def _with(self, users: int) -> MeasuredLoad:
        for load in self.loads:
            if load.plan.users == users:
                return load
        raise CheckFailed(f"no load of {counted(users, 'user')} was sent")

    def _require_no_failures(self) -> None:
        for load in self.loads:
            if failed := load.figures.failed:
                kinds = sorted({f"{one.failure.value} ({one.detail})"[:200] for one in failed})
                raise CheckFailed(
                    f"{load.name}: {len(failed)} of {counted(len(load.figures.requests), 'request')} failed:"
                    f" {'; '.join(kinds[:3])}"
                )

    def _require_valid(self, *finders: Callable[[LoadResult], Iterable[str]]) -> None:
        if found := self._reasons(*finders):
            raise NotSupported(f"the measurement is invalid, nothing is judged: {'; '.join(found)}")


def plans_of(rows: Iterable[Mapping[str, str]], plan: LoadPlan) -> list[LoadPlan]:
    """One for each row; its columns are `COLUMNS`."""
    fields = [{COLUMNS[name]: int(value) for name, value in row.items()} for row in rows]
    return [replace(plan, **row) for row in fields]  # type: ignore[arg-type]  # the columns of numbers


def measure_loads(plans: Sequence[LoadPlan], folder: Path) -> MeasuredLoads:
    """Send all loads, in several rounds when there are several. A failed request ends them: it decides."""
    rounds = ROUNDS if len(plans) > 1 else 1
    results: list[list[LoadResult]] = [[] for _ in plans]
    for number in range(rounds):
        # There and back, so that none always follows the same one.
        order = range(len(plans)) if number % 2 == 0 else reversed(range(len(plans)))
        for index in order:
            own = folder / f"load-{index + 1}-{number + 1}"
            own.mkdir(parents=True)
            plan = plans[index]
            results[index].append(run_load(plan, own, timeout=longest_seconds(plan)))
            if LoadFigures.of(results[index][-1]).failed:
                return _measured(plans, results)
    return _measured(plans, results)


def _measured(plans: Sequence[LoadPlan], results: Sequence[Sequence[LoadResult]]) -> MeasuredLoads:
    """Without the loads that were not sent."""
    return MeasuredLoads(
        [MeasuredLoad(plan, found) for plan, found in zip(plans, results, strict=True) if found]
    )
