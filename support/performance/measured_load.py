"""A load in each of its rounds, and the figures of a round by name (docs/metrics.md has the formulas)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median

from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadResult
from support.performance.load.record import Failure, RequestRecord
from support.performance.load_figures import FIRST_TOKEN, MILLISECOND, PER_TOKEN, LoadFigures
from support.performance.percentiles import nearest_rank
from support.performance.resources import MIB, ResourceUse
from support.results.safe_text import counted

THROUGHPUT, DECODE_RATE, PREFILL_RATE = "tokens per second", "decode rate", "prefill rate"
FIRST_ANSWER, READY = "time to first token after the start", "time to ready"
REQUEST_MEMORY, KEPT_MEMORY, RESIDENT = "memory per request", "memory kept", "resident memory"
ENERGY = "energy per token"
PER_TOKEN_P95 = f"{PER_TOKEN} p95"
GAP_RATIO, EVENTS_PER_SEGMENT = "gap ratio", "events per TCP segment"
# Shorter gaps between events are not seen by a reader, and on a busy machine they are those of the scheduler.
VISIBLE_GAP_MS = 10.0
# A 95th percentile of fewer is the largest one.
FEWEST_GAPS = 20
# Statuses of a server at its limit: too many requests, or busy (RFC 6585, RFC 9110).
_BUSY = ("429", "503")


@dataclass(frozen=True)
class Round:
    """`result`: of a load, None where another program has measured. `own`: figures beside it, by name."""

    result: LoadResult | None
    use: ResourceUse = field(default_factory=ResourceUse)
    own: Mapping[str, float | None] = field(default_factory=dict)

    def figure(self, name: str) -> float | None:
        """Of `FIGURES`; None is "not measured"."""
        return self.own[name] if name in self.own else FIGURES[name].of(self)

    def figures(self) -> LoadFigures | None:
        return None if self.result is None else LoadFigures.of(self.result)


@dataclass(frozen=True)
class Figure:
    """`timed`: whether other programs of the machine change it. `first`: whether the first round counts.

    A server takes memory with its first requests that it keeps, and needs once.
    """

    unit: str
    of: Callable[[Round], float | None]
    timed: bool = True
    first: bool = True


def _throughput(one: Round) -> float | None:
    figures = one.figures()
    return figures.tokens_per_second or None if figures else None


def _latency(
    metric: str, statistic: Callable[[Sequence[float]], float] = median
) -> Callable[[Round], float | None]:
    def of(one: Round) -> float | None:
        figures = one.figures()
        times = figures.latencies(metric) if figures else []
        return statistic(times) if times else None

    return of


def _decode_rate(one: Round) -> float | None:
    """Tokens per second of one request while it is generated."""
    found = _latency(PER_TOKEN)(one)
    return 1000 / found if found else None


def _prefill_rate(one: Round) -> float | None:
    """Tokens of the prompt by the time to first token; the median of the requests."""
    measured = one.result.measured if one.result else ()
    rates = [
        request.prompt_tokens * 1000 * MILLISECOND / request.ttft_ns
        for request in measured
        if request.ttft_ns and request.prompt_tokens > 0
    ]
    return median(rates) if rates else None


def _first_answer(one: Round) -> float | None:
    """Of the first request that the server got, which is one of the warm-up."""
    first = min(one.result.records, key=lambda each: each.sent_ns) if one.result else None
    return None if first is None or first.ttft_ns is None else first.ttft_ns / MILLISECOND


def _request_memory(one: Round) -> float | None:
    use = one.use
    if use.idle is None or use.peak is None or one.result is None:
        return None
    return (use.peak - use.idle) / one.result.plan.users / MIB


def _kept_memory(one: Round) -> float | None:
    use = one.use
    return None if use.idle is None or use.after is None else (use.after - use.idle) / MIB


def _resident(one: Round) -> float | None:
    return None if one.use.after is None else one.use.after / MIB


def _energy(one: Round) -> float | None:
    records = one.result.records if one.result else ()
    tokens = sum(max(record.output_tokens, len(record.event_times_ns)) for record in records)
    return None if one.use.joules is None or not tokens else one.use.joules / tokens


FIGURES: Mapping[str, Figure] = {
    THROUGHPUT: Figure("tokens/s", _throughput),
    DECODE_RATE: Figure("tokens/s", _decode_rate),
    PREFILL_RATE: Figure("tokens/s", _prefill_rate),
    FIRST_TOKEN: Figure("ms", _latency(FIRST_TOKEN)),
    PER_TOKEN: Figure("ms", _latency(PER_TOKEN)),
    PER_TOKEN_P95: Figure("ms", _latency(PER_TOKEN, lambda times: nearest_rank(times, 95))),
    FIRST_ANSWER: Figure("ms", _first_answer),
    READY: Figure("ms", lambda one: one.own.get(READY)),
    REQUEST_MEMORY: Figure("MiB", _request_memory, timed=False),
    KEPT_MEMORY: Figure("MiB", _kept_memory, timed=False, first=False),
    RESIDENT: Figure("MiB", _resident, timed=False),
    ENERGY: Figure("J", _energy),
}


def gap_ratio(request: RequestRecord) -> float | None:
    """How uneven a stream is: p95 of the gaps between its events by their p50, or by a gap that is not seen.

    None for a request that failed, and for one with fewer than `FEWEST_GAPS`.
    """
    gaps = request.gaps_ns
    if request.ttft_ns is None or len(gaps) < FEWEST_GAPS:
        return None
    return nearest_rank(gaps, 95) / max(nearest_rank(gaps, 50), VISIBLE_GAP_MS * MILLISECOND)


@dataclass(frozen=True)
class MeasuredLoad:
    """The same load in each round. `overload`: more than the server can take; it may reject requests as busy.

    `repeats`: its prompts are all the same, so that they may come from a cache. `file_size`: of the model in
    bytes, where the server was started with it.
    """

    name: str
    plan: LoadPlan
    rounds: Sequence[Round]
    overload: bool = False
    repeats: bool = False
    file_size: int | None = None

    @property
    def any_load(self) -> bool:
        """Whether it does not matter how many requests were in flight: in an overload, and at a start."""
        return self.overload or self.file_size is not None

    @cached_property
    def results(self) -> Sequence[LoadResult]:
        return [one.result for one in self.rounds if one.result is not None]

    @cached_property
    def figures(self) -> LoadFigures:
        """Of all rounds together."""
        requests = [request for result in self.results for request in result.measured]
        speeds = [LoadFigures.of(result).tokens_per_second for result in self.results]
        return LoadFigures(requests, sum(speeds) / len(speeds) if speeds else 0.0)

    def of_rounds(self, figure: str) -> list[float | None]:
        return [one.figure(figure) for one in self.rounds[0 if FIGURES[figure].first else 1 :]]

    def mean(self, figure: str) -> float | None:
        """Over the rounds in which it was measured."""
        known = [value for value in self.of_rounds(figure) if value is not None]
        return sum(known) / len(known) if known else None

    @property
    def others(self) -> float:
        """The largest share of the CPU that other processes had in a round; 0 where it is not known."""
        return max((one.use.others or 0.0 for one in self.rounds), default=0.0)

    @cached_property
    def failed(self) -> Sequence[RequestRecord]:
        """Requests that failed, without those that an overloaded server may reject, or let wait."""
        return [one for one in self.figures.failed if not (self.overload and _may_fail(one))]

    def reasons(self, find: Callable[[LoadResult], Iterable[str]]) -> Iterator[str]:
        """Why it is invalid, by this function, with the number of the round."""
        for number, result in enumerate(self.results, 1):
            yield from (f"{self.name}, round {number}: {reason}" for reason in find(result))


def _may_fail(request: RequestRecord) -> bool:
    """How long a queue takes is that of the machine; what is judged is what comes after it."""
    if request.failure is Failure.TIMEOUT:
        return not request.event_times_ns
    return request.failure is Failure.STATUS and request.detail.startswith(_BUSY)


def default_name(plan: LoadPlan) -> str:
    """Of a load in a table of several: by its users."""
    return counted(plan.users, "user")
