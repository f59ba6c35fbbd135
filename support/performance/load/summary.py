"""The figures of a load, from its records, as lines for a terminal (docs/metrics.md has the formulas)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from support.performance.load.program import LoadResult
from support.performance.load.quality import RunQuality
from support.performance.load.record import Failure, RequestRecord
from support.performance.load_figures import (
    FIRST_OUTPUT,
    FIRST_TOKEN,
    FROM_SCHEDULE,
    LATENCIES,
    PER_TOKEN,
    TO_THE_END,
    WHOLE,
    LoadFigures,
    Throughput,
)
from support.performance.load_over_time import LoadOverTime
from support.performance.percentiles import LEVELS, Percentile, nearest_rank, percentile

EVENT_GAP = "event gap"
# Before the names of the figures of all requests.
WHOLE_RUN, WHOLE_RUN_LEVELS = "whole run", (0.5, 0.95)
# The latencies by their titles in the table.
TITLES: Mapping[str, str] = {
    "time to first token": FIRST_TOKEN,
    "... from schedule": FROM_SCHEDULE,
    "first output token": FIRST_OUTPUT,
    "inter-token latency": PER_TOKEN,
    "end to end": WHOLE,
    "... to the end": TO_THE_END,
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


def figures_of(result: LoadResult) -> dict[str, float]:
    """By name: counts, percentiles in milliseconds, rates per second."""
    figures, throughput = LoadFigures.of(result), Throughput.of(result)
    found: dict[str, float] = {"requests": len(figures.requests), "failed": len(figures.failed)}
    for metric, values in _measured(figures):
        if values:
            ranks = [(level, nearest_rank(values, 100 * level)) for level in LEVELS]
            found |= {f"{metric} p{100 * level:g}": value for level, value in ranks}
    return found | {
        "output tokens per second": throughput.tokens,
        "requests per second": throughput.requests,
        **{f"{WHOLE_RUN}: {name}": value for name, value in _of_whole_run(result)},
    }


def _of_whole_run(result: LoadResult) -> Iterator[tuple[str, float]]:
    figures = LoadFigures.of_whole_run(result)
    yield "requests", len(figures.requests)
    yield "failed", len(figures.failed)
    if values := figures.latencies(FIRST_TOKEN):
        for level in WHOLE_RUN_LEVELS:
            yield f"{FIRST_TOKEN} p{100 * level:g}", nearest_rank(values, 100 * level)
    yield "output tokens per second", figures.tokens_per_second


def _measured(figures: LoadFigures) -> Iterator[tuple[str, Sequence[float]]]:
    yield from ((metric, figures.latencies(metric)) for metric in LATENCIES)
    yield EVENT_GAP, figures.gaps


def _latencies(figures: LoadFigures) -> Iterator[tuple[str, Sequence[Percentile]]]:
    for title, metric in TITLES.items():
        if values := figures.latencies(metric):
            yield title, [percentile(values, level) for level in LEVELS]


def lines(result: LoadResult, goodput: Mapping[str, float] | None = None) -> Iterator[str]:
    """The summary and how well it was measured. A percentile of too few samples is marked.

    `goodput`: limits of each request in milliseconds, by metric.
    """
    plan, quality, summary = result.plan, result.quality, LoadSummary.of(result)
    figures = LoadFigures.of(result)
    yield f"{plan.url} ({plan.model}, {plan.api}): {plan}"
    failures = ", ".join(f"{count} x {failure.value}" for failure, count in summary.failures.items())
    failed = f"{summary.failed} failed"
    if failures:
        failed += f" ({failures}), an error rate of {figures.error_rate:.1%}"
    yield f"{summary.requests} measured requests in {summary.window:.1f} s, {failed}"
    if summary.latencies:
        yield f"{'ms':<20}" + "".join(f"{f'p{100 * level:g}':>12}" for level in LEVELS)
    for name, found in summary.latencies.items():
        yield f"{name:<20}" + "".join(f"{_shown(one):>12}" for one in found)
    if gaps := figures.gaps:
        # Without a mark: those of one request depend on each other, so their number certifies nothing.
        shares = "".join(f"{nearest_rank(gaps, 100 * level):>11.2f} " for level in LEVELS)
        yield f"{'event gaps':<20}{shares}".rstrip()
    if not all(one.certified for found in summary.latencies.values() for one in found):
        yield "* fewer requests than an upper bound needs: a value, and no evidence"
    if plan.turns > 1:
        yield from turn_lines(result.measured, plan.turns)
    yield (
        f"{summary.token_rate:.1f} output tokens per second, {summary.request_rate:.2f} requests per second"
        + _decode_rate(figures)
    )
    yield _whole_run_line(LoadFigures.of_whole_run(result))
    if goodput:
        yield goodput_line(figures, goodput)
    if cancelled := sum(record.cancelled for record in result.records):
        yield f"{cancelled} of {len(result.records)} requests were cancelled by the client at the first token"
    unit = "users in flight" if plan.users else "requests per second"
    yield (
        f"as measured: {quality.achieved:.2f} of {quality.requested:.2f} {unit}, lateness p99 "
        f"{quality.late_p99_us / 1000:.2f} ms, {_reads(quality)}, {100 * quality.cpu_share:.0f} % of a core, "
        f"{quality.wrong_lengths} answers of another length"
    )
    yield LoadOverTime.of(result).line()
    yield "the machine meanwhile: " + ", ".join(_machine(quality))
    yield from _workers(result)


def _whole_run_line(figures: LoadFigures) -> str:
    """Beside the measured part: how much the warm-up and the cool-down would have changed."""
    values = figures.latencies(FIRST_TOKEN)
    ranks = (
        f"p{100 * level:g} {_shown(percentile(values, level)).rstrip()} ms" for level in WHOLE_RUN_LEVELS
    )
    first = f"{FIRST_TOKEN} {', '.join(ranks)}, " if values else ""
    return (
        f"{WHOLE_RUN}, with warm-up and cool-down: {len(figures.requests)} requests, "
        f"{len(figures.failed)} failed, {first}{figures.tokens_per_second:.1f} output tokens per second"
    )


def _decode_rate(figures: LoadFigures) -> str:
    """Nothing where it is not measured: without usage, or when all tokens of an answer have one time."""
    per_token = nearest_rank(figures.latencies(PER_TOKEN), 50)
    return (
        f"; one request: {1000 / per_token:.1f} tokens per second while generating" if per_token > 0 else ""
    )


def _reads(quality: RunQuality) -> str:
    if math.isnan(quality.kernel_stamps):
        return "nothing was read"
    return (
        f"{100 * quality.kernel_stamps:.0f} % of reads with a stamp of the kernel, lag p99 "
        f"{quality.lag_p99_us / 1000:.2f} ms, {100 * quality.coalesced:.1f} % coalesced"
    )


def goodput_line(figures: LoadFigures, limits: Mapping[str, float]) -> str:
    """The share of requests within all limits with Wilson's interval, 95 %."""
    from scipy import stats

    count = len(figures.requests)
    share = figures.goodput(limits)
    if not count:
        return "goodput: no request was measured"
    low, high = stats.binomtest(round(share * count), count).proportion_ci(method="wilson")
    text = ", ".join(f"{metric} <= {limit:g} ms" for metric, limit in limits.items())
    return f"goodput: {share:.1%} of the requests ({low:.1%} to {high:.1%}) with {text}"


def turn_lines(measured: Sequence[RequestRecord], turns: int) -> Iterator[str]:
    """Of conversations: the time to first token by turn, and the tokens of the prompt from the cache."""
    yield f"{'turn':<8}{'requests':>10}{'TTFT p50':>12}{'p90':>10}{'prompt tokens':>16}{'cached':>10}"
    for turn in range(1, turns + 1):
        requests = [one for one in measured if one.turn == turn and one.complete]
        times = LoadFigures(requests, 0.0).latencies(FIRST_TOKEN)
        prompt, cached = (
            fmean(max(count, 0) for count in counts) if counts else math.nan
            for counts in ([one.prompt_tokens for one in requests], [one.cached_tokens for one in requests])
        )
        yield (
            f"{turn:<8}{len(requests):>10}{nearest_rank(times, 50):>12.2f}{nearest_rank(times, 90):>10.2f}"
            f"{prompt:>16.0f}{cached:>10.0f}"
        )


def _workers(result: LoadResult) -> Iterator[str]:
    """How well each has measured; the lines before have the worst of them."""
    if not result.workers:
        return
    count = f"{len(result.workers)} worker" + ("s" if len(result.workers) > 1 else "")
    yield f"{count}, which began within {1000 * result.start_spread:.0f} ms"
    for worker in result.workers:
        quality = worker.quality
        requests = [one for one in result.measured if one.worker == worker.number]
        failed = sum(one.failed for one in requests)
        yield (
            f"{worker}: {worker.load}; {len(requests)} requests, {failed} failed; "
            f"{quality.achieved:.2f} of {quality.requested:.2f}, lateness p99 "
            f"{quality.late_p99_us / 1000:.2f} ms, {100 * quality.kernel_stamps:.0f} % with a stamp, "
            f"lag p99 {quality.lag_p99_us / 1000:.2f} ms, {100 * quality.cpu_share:.0f} % of a core"
        )


def _machine(quality: RunQuality) -> Iterator[str]:
    machine = quality.machine
    yield f"{_percent(machine.busy)} of all CPUs busy"
    yield f"tasks waited for a CPU in {_percent(machine.cpu_pressure)} of the time"
    yield f"{_percent(machine.steal)} stolen by the host"
    yield f"governor {machine.governor or 'not known'}"
    if not math.isnan(quality.handshake_p50_us):
        yield (
            f"a TCP handshake takes {quality.handshake_p50_us / 1000:.2f} ms (p95 "
            f"{quality.handshake_p95_us / 1000:.2f} ms)"
        )


def _percent(share: float) -> str:
    return "? %" if math.isnan(share) else f"{100 * share:.1f} %"


def _shown(one: Percentile) -> str:
    return f"{one.value:.2f}{' ' if one.certified else '*'}"
