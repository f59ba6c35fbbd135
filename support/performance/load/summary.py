"""The figures of a load, from its records, as lines for a terminal (docs/metrics.md has the formulas)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from support.performance.load.program import LoadResult
from support.performance.load.record import Failure
from support.performance.load_figures import (
    FIRST_TOKEN,
    FROM_SCHEDULE,
    PER_TOKEN,
    WHOLE,
    LoadFigures,
    Throughput,
)
from support.performance.percentiles import LEVELS, Percentile, percentile

# The latencies by their titles in the table.
TITLES: Mapping[str, str] = {
    "time to first token": FIRST_TOKEN,
    "... from schedule": FROM_SCHEDULE,
    "inter-token latency": PER_TOKEN,
    "end to end": WHOLE,
}


@dataclass(frozen=True)
class LoadSummary:
    """Of the measured requests of a load.

    `latencies`: percentiles in milliseconds, by title; without those that no request has. `window`,
    `token_rate`, `request_rate`: as `Throughput` has them.
    """

    requests: int
    failures: Mapping[Failure, int]
    latencies: Mapping[str, Sequence[Percentile]]
    window: float
    token_rate: float
    request_rate: float

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    @staticmethod
    def of(result: LoadResult) -> LoadSummary:
        figures, throughput = LoadFigures.of(result), Throughput.of(result)
        return LoadSummary(
            requests=len(figures.requests),
            failures=Counter(request.failure for request in figures.failed),
            latencies=dict(_latencies(figures)),
            window=throughput.window,
            token_rate=throughput.tokens,
            request_rate=throughput.requests,
        )


def _latencies(figures: LoadFigures) -> Iterator[tuple[str, Sequence[Percentile]]]:
    for title, metric in TITLES.items():
        if values := figures.latencies(metric):
            yield title, [percentile(values, level) for level in LEVELS]


def lines(result: LoadResult) -> Iterator[str]:
    """The summary and how well it was measured. A percentile of too few samples is marked."""
    plan, quality, summary = result.plan, result.quality, LoadSummary.of(result)
    yield f"{plan.url} ({plan.model}, {plan.api}): {plan}"
    failures = ", ".join(f"{count} x {failure.value}" for failure, count in summary.failures.items())
    failed = f"{summary.failed} failed" + (f" ({failures})" if failures else "")
    yield f"{summary.requests} measured requests in {summary.window:.1f} s, {failed}"
    if summary.latencies:
        yield f"{'ms':<20}" + "".join(f"{f'p{100 * level:g}':>12}" for level in LEVELS)
    for name, found in summary.latencies.items():
        yield f"{name:<20}" + "".join(f"{_shown(one):>12}" for one in found)
    if not all(one.certified for found in summary.latencies.values() for one in found):
        yield "* fewer requests than an upper bound needs: a value, and no evidence"
    yield f"{summary.token_rate:.1f} output tokens per second, {summary.request_rate:.2f} requests per second"
    unit = "users in flight" if plan.users else "requests per second"
    yield (
        f"as measured: {quality.achieved:.2f} of {quality.requested:.2f} {unit}, lateness p99 "
        f"{quality.late_p99_us / 1000:.2f} ms, {100 * quality.kernel_stamps:.0f} % of reads with a stamp of "
        f"the kernel, lag p99 {quality.lag_p99_us / 1000:.2f} ms, {100 * quality.coalesced:.1f} % coalesced, "
        f"{100 * quality.cpu_share:.0f} % of a core, {quality.wrong_lengths} answers of another length"
    )


def _shown(one: Percentile) -> str:
    return f"{one.value:.2f}{' ' if one.certified else '*'}"
