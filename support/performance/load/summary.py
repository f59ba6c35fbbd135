"""The figures of a load, from its records, as lines for a terminal (docs/metrics.md has the formulas)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from support.performance.load.clock import SECOND
from support.performance.load.program import LoadResult
from support.performance.load.record import Failure, RequestRecord
from support.performance.percentiles import LEVELS, Percentile, percentile

MILLISECOND = 1_000_000
LATENCIES: Mapping[str, Callable[[RequestRecord], float | None]] = {
    "time to first token": lambda record: record.ttft_ns,
    "... from schedule": lambda record: record.scheduled_ttft_ns,
    "inter-token latency": lambda record: record.itl_ns,
    "end to end": lambda record: record.e2e_ns,
}


@dataclass(frozen=True)
class LoadSummary:
    """Of the measured requests of a load.

    `latencies`: percentiles in milliseconds, by name; without those that no request has. `window`: seconds
    from the first to the last sending. `token_rate`, `request_rate`: tokens that came, and requests that
    ended well, per second of the window, of whatever phase; 0 for a single request, which has no window.
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
        measured = result.measured
        sent = [record.sent_ns for record in measured]
        begin, end = (min(sent), max(sent)) if sent else (0, 0)
        window = (end - begin) / SECOND
        good = [record for record in result.records if not record.failed]
        tokens = sum(_tokens_between(record, begin, end) for record in good)
        ended = sum(begin < record.end_ns <= end for record in good)
        return LoadSummary(
            requests=len(measured),
            failures=Counter(record.failure for record in measured if record.failed),
            latencies=dict(_latencies(measured)),
            window=window,
            token_rate=tokens / window if window else 0.0,
            request_rate=ended / window if window else 0.0,
        )


def _latencies(records: Sequence[RequestRecord]) -> Iterator[tuple[str, Sequence[Percentile]]]:
    for name, of in LATENCIES.items():
        values = [value / MILLISECOND for record in records if (value := of(record)) is not None]
        if values:
            yield name, [percentile(values, level) for level in LEVELS]


def _tokens_between(record: RequestRecord, begin: int, end: int) -> float:
    """Tokens by usage, spread evenly over the events: usage does not say which event had how many."""
    inside = sum(begin < time <= end for time in record.event_times_ns)
    return inside * max(record.output_tokens, 0) / len(record.event_times_ns)


def lines(result: LoadResult) -> Iterator[str]:
    """The summary and how well it was measured. A percentile of too few samples is marked."""
    plan, quality, summary = result.plan, result.quality, LoadSummary.of(result)
    load = f"{plan.users} users" if plan.users else f"{plan.rate:g} requests per second, {plan.arrivals}"
    yield f"{plan.url} ({plan.model}, {plan.api}): {load}"
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
