"""Each reason for which a measurement is invalid, and that a good one has none."""

from __future__ import annotations

import pytest

from support.performance.load.program import LoadResult
from support.performance.validity import anomalies, invalid_latency_reasons, invalid_load_reasons
from tests.performance.loads import TOKENS, request, result

REQUESTS = [request(number, sent=200.0 * number) for number in range(20)]


def reasons(found: LoadResult) -> list[str]:
    return [*invalid_load_reasons(found), *invalid_latency_reasons(found, shortest_ms=100.0)]


def test_a_good_measurement_has_none() -> None:
    assert reasons(result(*REQUESTS)) == []


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (result(), "no request was measured"),
        (result(*REQUESTS, wrong_lengths=3), f"3 of 20 answers .* than the {TOKENS} that were requested"),
        (result(*(request(1, cached_tokens=30) for _ in range(9))), "100.0% of the tokens .* from a cache"),
        (result(*REQUESTS, cpu_share=0.9), "the client has used 90% of a core: it was the bottleneck"),
        (
            result(*REQUESTS, coalesced=0.02, lag_p99_us=11_000.0),
            "2.0% of the reads .* late by 11.00 ms .*10% of 100 ms",
        ),
        (result(*REQUESTS, achieved=0.95), "the load was 0.95 instead of 1"),
        (result(*REQUESTS, achieved=float("nan")), "too few requests were measured to know the load"),
        (result(*REQUESTS, clock_shift_us=2500.0), "the wall clock moved by 2.5 ms"),
        (
            result(*(request(n, gap=10.0 + n) for n in range(20))),
            "inter-token latency: no steady state: [+]97",
        ),
    ],
    ids=lambda value: "" if isinstance(value, LoadResult) else value[:20],
)
def test_each_reason_is_found_and_no_other(found: LoadResult, reason: str) -> None:
    import re

    texts = list(dict.fromkeys(reasons(found)))
    assert len(texts) == 1, texts
    assert re.search(reason, texts[0]), texts[0]


def test_a_step_without_a_trend_is_an_anomaly_and_a_trend_is_none() -> None:
    """Faster at last by 10 %, but for the first third and the last value as fast: a step alone."""
    gaps = [*([10.0] * 14), *([11.0] * 20), *([10.0] * 6)]
    step = result(*(request(number, gap=gap) for number, gap in enumerate(gaps)))
    assert reasons(step) == []
    assert [*anomalies(step)] == ["inter-token latency: a step at value 15"]
    trend = result(*(request(number, gap=10.0 + number) for number in range(20)))
    assert [*anomalies(trend)] == []


def test_times_within_a_request_need_no_steady_state() -> None:
    trend = result(*(request(number, gap=10.0 + number) for number in range(20)))
    assert [*invalid_latency_reasons(trend, 100.0, within_requests=True)] == []


def test_merged_events_of_a_client_in_time_are_the_servers() -> None:
    assert reasons(result(*REQUESTS, coalesced=0.5, lag_p99_us=2000.0)) == []


def test_throughput_over_rounds_needs_the_load_only_roughly() -> None:
    assert [*invalid_load_reasons(result(*REQUESTS, achieved=0.95))] == []
    assert [*invalid_load_reasons(result(*REQUESTS, achieved=0.85))] == ["the load was 0.85 instead of 1"]
