"""Tokens of a load by events, by usage and by the server's own counter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from support.monitoring.metric_table import UNCERTAIN_TOKENS
from support.performance.load.record import Failure, RequestRecord
from support.performance.load_report import Run
from support.performance.token_counts import (
    TokenCounters,
    TokenCounts,
    token_counters,
)
from tests.http.tiny_server import Reply, TinyServer, json_reply, reply
from tests.performance.loads import PLAN, TOKENS, WORDS, failed, request, result

PROMPT = WORDS + 14
RECORDS = [request(number) for number in range(10)]
ALL = 10 * (PROMPT + TOKENS)


@pytest.mark.parametrize(
    ("counted", "verdict"),
    [
        (ALL, "agrees"),
        (ALL - 10 * UNCERTAIN_TOKENS, "agrees"),
        # The cached ones, three of each prompt, may be counted or not.
        (ALL - 10 * (UNCERTAIN_TOKENS + 3), "agrees"),
        (ALL - 10 * (UNCERTAIN_TOKENS + 3) - 1, "differs"),
        (ALL + 10 * UNCERTAIN_TOKENS + 1, "differs"),
        (0, "differs"),
        (None, "not known"),
    ],
)
def test_the_counter_of_the_server_agrees_with_the_usage(counted: float | None, verdict: str) -> None:
    counts = TokenCounts.of(RECORDS, counted)
    assert {True: "agrees", False: "differs", None: "not known"}[counts.agrees] == verdict
    assert ("IT DIFFERS" in str(counts)) is (verdict == "differs")
    assert (counts.events, counts.output) == (10 * TOKENS, 10 * TOKENS)


CANCELLED = request(10, failure=Failure.CANCELLED, output_tokens=-1)


@pytest.mark.parametrize("other", [failed(10), CANCELLED, request(10, prompt_tokens=-1)])
def test_a_request_without_usage_makes_it_unknown(other: RequestRecord) -> None:
    counts = TokenCounts.of([*RECORDS, other], 0.0)
    assert counts.agrees is None
    assert "1 requests without usage" in str(counts)


COUNTERS = b"mistralrs_tokens_processed_total 41\nmistralrs_prefix_cache_tokens_reused_total 7\n"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (reply(COUNTERS, content_type="text/plain"), TokenCounters(41.0, 7.0)),
        (reply(b"other_total 41\n", content_type="text/plain"), TokenCounters()),
        (reply(b"mistralrs_tokens_processed_total nothing\n", content_type="text/plain"), TokenCounters()),
        (json_reply({}, "404 Not Found"), TokenCounters()),
    ],
)
def test_a_server_without_the_counters_has_none(
    answer: Reply, found: TokenCounters, serve: Callable[[Reply], TinyServer]
) -> None:
    assert token_counters(replace(PLAN, url=serve(answer).url)) == found


def test_counters_grow_from_zero() -> None:
    assert TokenCounters(5.0, None).growth_from(TokenCounters()) == (5.0, None)
    assert TokenCounters(5.0, 3.0).growth_from(TokenCounters(2.0, 3.0)) == (3.0, 0.0)


@pytest.mark.parametrize(
    ("reused", "share"),
    # Of each prompt 14 tokens come before the 16 words.
    [(None, 0.0), (10 * 14, 0.0), (10 * (14 + 8), 0.5), (10 * (14 + 16), 1.0)],
)
def test_words_of_prompts_from_the_cache_of_the_server_make_a_load_invalid(
    reused: float | None, share: float, tmp_path: Path
) -> None:
    counts = TokenCounts.of(RECORDS, None, reused)
    assert counts.unexpectedly_cached(WORDS) == pytest.approx(share)
    reasons = Run(result(*RECORDS), tmp_path, counts).invalid
    assert any("by its own counter" in reason for reason in reasons) is (share > 0)
