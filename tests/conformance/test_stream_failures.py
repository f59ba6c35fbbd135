"""What a failure of a stream begins with, and how long a failure is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.conformance.oracles.openai import OPENAI
from support.conformance.response_parser import ConformanceError
from support.http.exchange import Exchange
from support.results.behave_types import BehaveStep
from support.results.check import CheckResult, describe_failure
from support.results.verdicts import MAX_LINES, _step_verdict
from tests.conformance.samples import USAGE, chunk, exchange, stream

ENGINE_DIED = {"error": {"message": "engine died", "type": "server_error"}}


def failure(response: Exchange) -> ConformanceError:
    with pytest.raises(ConformanceError) as caught:
        OPENAI.check_response(response, status=[200], kind="sse", contracts=["chat stream"])
    return caught.value


def test_the_number_of_the_chunk_and_the_value_are_named() -> None:
    chunks = [*[chunk("a")] * 47, chunk(cast(Any, 5)), *[chunk("a")] * 363, chunk(reason="stop", usage=USAGE)]
    text = str(failure(stream(*chunks)))
    assert "chunk 48 of 412: choices.0.delta.content: Input should be a valid string, got 5" in text


@pytest.mark.parametrize("end", ["", "data: [DONE]\n\n"])
def test_the_error_of_the_server_comes_first(end: str) -> None:
    error = failure(stream(*[chunk("a")] * 6, ENGINE_DIED, end=end))
    assert error.actual.startswith("server error in event 7: engine died; ")


def test_an_error_that_is_a_bare_text_comes_first() -> None:
    error = failure(stream(chunk("a"), end="data: engine died\n\ndata: [DONE]\n\n"))
    assert error.actual.startswith("server error in event 2: engine died; ")


def test_a_known_issue_does_not_hide_an_error_of_the_server() -> None:
    error = failure(stream(chunk("a"), ENGINE_DIED, end=""))
    assert all(part.startswith("server error in event 2: ") for part in error.details)


def test_an_event_that_is_broken_json_has_its_number() -> None:
    text = str(failure(stream(chunk("a"), end='data: {"cut": \n\ndata: [DONE]\n\n')))
    assert "event 2 of 2: expected JSON" in text


def test_a_stream_of_comments_is_reported_as_one() -> None:
    comments = exchange(b": ping\n\n: ping\n\n", content_type="text/event-stream")
    assert str(failure(comments)) == "framing: a stream without any event, only 2 comments"


def test_a_failed_check_has_fifteen_lines_at_most_and_what_was_received_first() -> None:
    long = "\n".join(f"line {number}" for number in range(40))
    check = CheckResult(
        id="openai.chat.x",
        title="a title",
        group="a group",
        level="must",
        status="failed",
        expected=long,
        actual=long,
        source="a source",
        repeat=long,
        reason="a reason",
        reason_source="a place",
    )
    lines = describe_failure(check).splitlines()
    assert len(lines) <= MAX_LINES
    assert lines[0] == "openai.chat.x: a title"
    assert lines[1].split() == ["actual:", "line", "0"]
    assert "... (34 more lines)" in lines[7]


def test_any_other_failure_has_fifteen_lines_and_keeps_its_whole_text() -> None:
    long = "\n".join(f"line {number}" for number in range(40))
    step = SimpleNamespace(
        keyword="Then", name="it works", status=SimpleNamespace(name="failed"), exception=AssertionError(long)
    )
    verdict = _step_verdict(cast(BehaveStep, step))
    lines = verdict.message.splitlines()
    assert len(lines) == MAX_LINES
    assert (lines[0], lines[-1]) == ("line 0", "(in: Then it works)")
    assert verdict.trace == long
