"""Figures of a load: failed requests are in the denominators only; throughput is of what arrives then."""

from __future__ import annotations

import pytest

from support.performance.load.record import Failure, Phase
from support.performance.load_figures import LoadFigures
from tests.performance.loads import TOKENS, WORDS, failed, request, result

LIMITS = {"time to first token": 100.0, "inter-token latency": 10.0}


def test_failed_requests_have_no_latency_and_count_in_the_denominators() -> None:
    figures = LoadFigures.of(result(request(1), request(2, first=150.0), failed(3), request(4, gap=11.0)))
    assert figures.latencies("time to first token") == [100.0, 150.0, 100.0]
    assert figures.latencies("inter-token latency") == [10.0, 10.0, 11.0]
    assert figures.error_rate == 0.25
    assert figures.goodput(LIMITS) == 0.25


def test_without_any_request_nothing_is_good() -> None:
    figures = LoadFigures.of(result())
    assert (figures.error_rate, figures.goodput(LIMITS), figures.tokens_per_second) == (1.0, 0.0, 0.0)


def test_throughput_is_of_the_tokens_that_arrive_while_requests_are_issued() -> None:
    # Issued from 0 to 200 ms: all tokens of the first, none of the second, one of those of the warm-up.
    early = request(1, sent=-139.0, phase=Phase.WARM_UP)
    found = LoadFigures.of(result(early, request(2, sent=0.0), request(3, sent=200.0)))
    assert found.tokens_per_second == pytest.approx((TOKENS + 1) / 0.2)
    assert len(found.requests) == 2


def test_the_whole_run_has_the_requests_of_all_phases_from_the_first_sending_to_the_last_end() -> None:
    # From -1000 ms to the end of the last one, 141 ms after its sending at 859 ms: two seconds.
    found = LoadFigures.of_whole_run(
        result(
            request(1, sent=-1000.0, first=700.0, phase=Phase.WARM_UP),
            request(2, sent=0.0),
            failed(3, sent=100.0),
            request(4, sent=2000.0, failure=Failure.CANCELLED),
            request(5, sent=859.0, output_tokens=2 * TOKENS, phase=Phase.COOL_DOWN),
        )
    )
    assert found.latencies("time to first token") == [700.0, 100.0, 100.0]
    assert (len(found.requests), len(found.failed)) == (4, 1)
    assert found.tokens_per_second == pytest.approx(4 * TOKENS / 2.0)
    assert LoadFigures.of_whole_run(result()).tokens_per_second == 0.0


def test_tokens_of_an_event_count_by_usage() -> None:
    found = LoadFigures.of(result(request(1, output_tokens=2 * TOKENS), request(2, sent=200.0)))
    assert found.tokens_per_second == pytest.approx(2 * TOKENS / 0.2)


@pytest.mark.parametrize(
    ("cached", "share"),
    [(0, 0.0), (3, 0.0), (14, 0.0), (22, 0.5), (30, 1.0), (-1, 0.0)],
)
def test_the_head_of_a_prompt_may_be_cached(cached: int, share: float) -> None:
    figures = LoadFigures.of(result(request(1, cached_tokens=cached)))
    assert figures.cached_share(WORDS) == share
