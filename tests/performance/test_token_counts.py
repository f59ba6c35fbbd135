"""Tokens of a load by events, by usage and by the server's own counter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from support.performance.load.record import Failure, RequestRecord
from support.performance.token_counts import UNCERTAIN_TOKENS, TokenCounts, token_counter
from tests.http.tiny_server import Reply, TinyServer, json_reply, reply
from tests.performance.loads import PLAN, TOKENS, WORDS, failed, request

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


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (reply(b"mistralrs_tokens_processed_total 41\n", content_type="text/plain"), 41.0),
        (reply(b"other_total 41\n", content_type="text/plain"), None),
        (reply(b"mistralrs_tokens_processed_total nothing\n", content_type="text/plain"), None),
        (json_reply({}, "404 Not Found"), None),
    ],
)
def test_a_server_without_the_counter_has_none(
    answer: Reply, found: float | None, serve: Callable[[Reply], TinyServer]
) -> None:
    assert token_counter(replace(PLAN, url=serve(answer).url)) == found
