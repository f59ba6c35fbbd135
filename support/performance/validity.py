"""Whether the figures of a load are those of its target: else the run is invalid, and nothing is judged.

The reasons are those by which MLPerf, vLLM and others have found their own measurements wrong: a client at
its limit, prompts from a cache, answers of another length, a load that was not reached, no steady state.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from support.performance.distributed.arrivals import no_poisson_reason
from support.performance.load.program import LoadResult
from support.performance.load.quality import RunQuality
from support.performance.load_figures import PER_TOKEN, LoadFigures
from support.performance.steady_state import SteadyState, steady_state

# Of one core, for the client.
MOST_CLIENT_CPU = 0.8
MOST_CACHED = 0.01
# Merged events have one time. A client that reads late merges them, and so does a server that writes several
# tokens at once: the time of an event is wrong by no more than the lag, which may be this share of a limit.
MOST_COALESCED = 0.01
MOST_LAG = 0.1
# Of the load that was requested: for latencies, which depend on it, and for throughput over rounds.
MOST_OFF, MOST_OFF_IN_ROUNDS = 0.02, 0.1
# A stamp of the kernel is of the wall clock: a shift of it is in every time.
MOST_CLOCK_SHIFT_US = 1000.0
# Seconds: workers that begin further apart measure a load that is not that of all of them.
MOST_START_SPREAD = 1.0


def invalid_load_reasons(result: LoadResult, *, cached: bool = False) -> Iterator[str]:
    """Why the load was not the one that was requested: each with what was found, none for a valid one.

    `cached`: whether its prompts may come from a cache.
    """
    figures, quality = LoadFigures.of(result), result.quality
    if not figures.requests:
        yield "no request was measured"
        return
    if quality.wrong_lengths:
        yield (
            f"{quality.wrong_lengths} of {len(figures.requests)} answers have another number of tokens than"
            f" the {result.plan.output_tokens} that were requested"
        )
    if not cached and (share := figures.cached_share(result.plan.prompt_words)) >= MOST_CACHED:
        yield f"{share:.1%} of the tokens of the prompts came from a cache"
    for client, measured in _clients(result):
        if measured.cpu_share > MOST_CLIENT_CPU:
            yield f"{client} has used {measured.cpu_share:.0%} of a core: it was the bottleneck"
    yield from _load_reasons(result, MOST_OFF_IN_ROUNDS)
    yield from _worker_reasons(result)


def invalid_latency_reasons(
    result: LoadResult, shortest_ms: float, *, within_requests: bool = False
) -> Iterator[str]:
    """Why the latencies of a valid load are not those of its target.

    `shortest_ms`: of the times that are judged, milliseconds between two events of a stream.
    `within_requests`: only times of one request are judged by each other; a trend over the load is in both.
    """
    figures = LoadFigures.of(result)
    if not figures.requests:
        return
    yield from _load_reasons(result, MOST_OFF)
    yield from client_reasons(result, shortest_ms)
    state = _state(figures)
    if state is not None and state.trend and not within_requests:
        yield f"{PER_TOKEN}: {state}"


def client_reasons(result: LoadResult, shortest_ms: float) -> Iterator[str]:
    """Why the latencies are those of the client: it read late, or its clock moved."""
    for client, quality in _clients(result):
        lag = quality.lag_p99_us / 1000
        if quality.coalesced > MOST_COALESCED and lag > MOST_LAG * shortest_ms:
            yield (
                f"{quality.coalesced:.1%} of the reads had several events, and {client} was late by"
                f" {lag:.2f} ms (p99): more than {MOST_LAG:.0%} of {shortest_ms:.4g} ms"
            )
        if quality.clock_shift_us > MOST_CLOCK_SHIFT_US:
            moved = quality.clock_shift_us / 1000
            yield f"the wall clock moved by {moved:.1f} ms during a request of {client}"


def anomalies(result: LoadResult) -> Iterator[str]:
    """What invalidates nothing, but is worth a look: a step of the inter-token latency without a trend."""
    state = _state(LoadFigures.of(result))
    if state is not None and state.step is not None and not state.trend:
        yield f"{PER_TOKEN}: a step at value {state.step + 1}"


def _state(figures: LoadFigures) -> SteadyState | None:
    """Of the inter-token latency; None where a token took no measurable time."""
    speeds = figures.latencies(PER_TOKEN)
    return steady_state(speeds) if all(speeds) else None


def _load_reasons(result: LoadResult, most: float) -> Iterator[str]:
    """`most`: share by which the load may differ from the requested one."""
    for client, quality in _clients(result):
        requested, achieved = quality.requested, quality.achieved
        whose = f" of {client}" if result.workers else ""
        if math.isnan(achieved):
            yield f"too few requests were measured to know the load{whose}"
        elif not abs(achieved / requested - 1) <= most:
            yield f"the load{whose} was {achieved:.3g} instead of {requested:g}"


def _clients(result: LoadResult) -> Iterator[tuple[str, RunQuality]]:
    """Who has measured, and how well: the client, or each of several workers."""
    if result.workers:
        yield from ((str(worker), worker.quality) for worker in result.workers)
    else:
        yield "the client", result.quality


def _worker_reasons(result: LoadResult) -> Iterator[str]:
    """Why the loads of several workers are not one load."""
    if result.start_spread > MOST_START_SPREAD:
        yield f"the workers may have begun {result.start_spread:.1f} s apart"
    if result.workers and result.plan.rate and result.plan.arrivals == "poisson":
        scheduled: dict[int, list[int]] = defaultdict(list)
        for record in result.records:
            scheduled[record.worker].append(record.scheduled_ns)
        if reason := no_poisson_reason(scheduled, result.plan.rate):
            yield reason
