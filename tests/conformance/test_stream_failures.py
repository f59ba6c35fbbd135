"""What a failure of a stream begins with, and how long a failure is."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from contextlib import closing as closing_client
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.conformance.api import Api
from support.conformance.case_runner import run_case
from support.conformance.contract import BrokenAt, Invariant
from support.conformance.oracles import anthropic, ollama, openai, responses
from support.conformance.oracles.openai import OPENAI
from support.conformance.response_parser import ConformanceError, parse
from support.http import framing
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.results.behave_types import BehaveStep
from support.results.check import CheckResult, describe_failure
from support.results.verdicts import MAX_LINES, _step_verdict
from tests.conformance.samples import SERVER, USAGE, Canned, case, chunk, exchange, stream
from tests.http.tiny_server import Reply, TinyServer

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


# -- invariants over the whole stream

MESSAGE = {"id": "m", "type": "message", "role": "assistant", "model": "tiny", "content": [], "usage": {}}
START: dict[str, Any] = {"type": "message_start", "message": MESSAGE}
STOP_REASON = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
STOP = {"type": "message_stop"}
CREATED = {"type": "response.created", "response": {"id": "r"}}
COMPLETED = {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}}
LINE = {"model": "tiny", "created_at": "2026-01-01T00:00:02Z", "done": False}
LAST_LINE = {**LINE, "done": True, "done_reason": "stop", "total_duration": 1}
CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def block(kind: str, index: int) -> dict[str, Any]:
    return {"type": f"content_block_{kind}", "index": index, "content_block": {"type": "text"}}


def numbered(*events: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def call_chunk(piece: dict[str, Any]) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"tool_calls": [piece]}, "finish_reason": None}]}


# Invariant, documents, and the number of the one that is to blame (None: the stream as a whole).
BLAMED: list[tuple[Invariant, list[Any], int | None]] = [
    (openai.constant_ids, [chunk("a"), chunk("b"), chunk("c", id="2"), chunk("d", id="3")], 3),
    (openai.constant_ids, [chunk("a"), chunk("b", model="other")], 2),
    (openai.constant_ids, [chunk("a"), chunk("b", choices=chunk("b")["choices"] * 2)], 2),
    (openai.one_finish_reason_per_choice, [chunk("a"), chunk(reason="stop"), chunk("b"), chunk("c")], 3),
    (openai.one_finish_reason_per_choice, [chunk("a"), chunk("b")], None),
    (openai.usage_once_last, [chunk("a"), chunk("b", usage=USAGE), chunk(reason="stop", usage=USAGE)], 2),
    (openai.role_first, [chunk("a", role=False)], 1),
    (openai.tool_calls_complete, [call_chunk(CALL), call_chunk(CALL)], 2),
    (ollama.done_once, [LINE, LAST_LINE, LINE], 2),
    (ollama.done_once, [LINE, LINE], None),
    (ollama.done_once, [LINE, {**LINE, "eval_count": 1}, LAST_LINE], 2),
    (ollama.done_once, [LINE, LAST_LINE], 2),
    (ollama.monotonic, [LINE, {**LINE, "model": "other"}, LAST_LINE], 2),
    (ollama.monotonic, [LINE, LINE, {**LINE, "created_at": "2026-01-01T00:00:01Z"}, LAST_LINE], 3),
    (ollama.success_last, [{"status": "a"}, {"status": "success"}, {"status": "b"}], 2),
    (ollama.success_last, [{"status": "a"}], None),
    (ollama.error_last, [{"error": "a"}, {"status": "b"}], 1),
    (anthropic.one_start_one_stop, [START, START, STOP_REASON, STOP], 2),
    (anthropic.one_start_one_stop, [START, STOP, STOP_REASON, STOP], 2),
    (anthropic.one_start_one_stop, [START, STOP_REASON], None),
    (anthropic.one_start_one_stop, [{"type": "ping"}], None),
    (anthropic.one_start_one_stop, [START, STOP_REASON, {"type": "ping"}, block("stop", 0), STOP], 4),
    (anthropic.blocks_complete, [START, block("start", 0), block("start", 1)], 3),
    (anthropic.blocks_complete, [START, block("stop", 0)], 2),
    (anthropic.blocks_complete, [START, block("start", 0)], None),
    (anthropic.one_message_delta, [{**START, "message": {**MESSAGE, "content": [1]}}, STOP_REASON, STOP], 1),
    (anthropic.one_message_delta, [START, STOP_REASON, STOP_REASON, STOP], 3),
    (responses.sequence_numbers, [*numbered(CREATED, CREATED), {"sequence_number": 5}], 3),
    (responses.one_start_one_end, [CREATED, CREATED, COMPLETED], 2),
    (responses.one_start_one_end, [CREATED, COMPLETED, COMPLETED], 2),
    (responses.one_start_one_end, [CREATED], None),
    (responses.one_start_one_end, [{**CREATED, "response": {"id": "x"}}, COMPLETED], 2),
    (responses.items_complete, [CREATED, {"type": "response.output_text.delta", "output_index": 0}], 2),
]


@pytest.mark.parametrize(
    ("invariant", "documents", "blamed"),
    BLAMED,
    ids=[f"{number} {row[0].__name__}" for number, row in enumerate(BLAMED)],
)
def test_an_invariant_names_the_first_event_that_breaks_it(
    invariant: Invariant, documents: list[Any], blamed: int | None
) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        invariant(documents)
    broken = caught.value
    assert (broken.index + 1 if isinstance(broken, BrokenAt) else None) == blamed


def test_the_number_comes_first_and_known_issues_are_compared_without_it() -> None:
    error = failure(stream(chunk("a"), chunk("b", id="2"), chunk(reason="stop", id="2", usage=USAGE)))
    assert str(error) == "invariants: chunk 2 of 3: id changes within a stream: ['1', '2']"
    assert error.details == ("id changes within a stream: ['1', '2']",)


# -- a stream that stays open


def closed_after(seconds: float, complete: float = 0.1, end: str = "data: [DONE]\n\n") -> Exchange:
    """A good stream that was complete after so many seconds, and was closed so many seconds later."""
    response = stream(chunk("a"), chunk(reason="stop", usage=USAGE), end=end)
    return replace(response, seconds=complete + seconds, chunks=((complete, response.body),))


@pytest.mark.parametrize(("seconds", "complete"), [(1.0, 0.1), (2.0, 0.1), (9.0, 8.0)])
def test_a_stream_that_is_closed_soon_passes(seconds: float, complete: float) -> None:
    OPENAI.check_response(
        closed_after(seconds, complete), status=[200], kind="sse", contracts=["chat stream"]
    )


@pytest.mark.parametrize("api", [OPENAI, ollama.OLLAMA])
def test_a_stream_that_stays_open_fails(api: Api) -> None:
    with pytest.raises(ConformanceError) as caught:
        api.check_response(closed_after(3.0), status=[200], kind="sse", contracts=[])
    assert str(caught.value) == (
        "framing: the stream was complete, including [DONE], after 0.1 s, "
        "then the server left it open for 3.0 s"
    )


@pytest.mark.parametrize(
    ("body", "kind", "media"),
    [
        (b'{"done": true}\n', "ndjson", "application/x-ndjson"),
        (b'data: {"type": "message_stop"}\n\n', "sse", "text/event-stream"),
        (b'data: {"type": "response.completed"}\n\n', "sse", "text/event-stream"),
    ],
)
def test_a_stream_of_each_framing_that_stays_open_fails(body: bytes, kind: str, media: str) -> None:
    response = replace(exchange(body, content_type=media), seconds=3.0, chunks=((0.1, body),))
    with pytest.raises(
        ConformanceError, match=r"complete after 0\.1 s, then the server left it open for 2\.9 s"
    ):
        parse(response, kind, ends_with_done=None)


@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n"])
def test_a_stream_that_stays_open_after_its_error_fails(end: bytes) -> None:
    error = b"data: the prompt is too long\n\n"
    late = ((0.1, error), *([(3.0, end)] if end else []))
    response = replace(exchange(error + end, content_type="text/event-stream"), seconds=3.0, chunks=late)
    found = r"ended by an error in event 1 after 0\.1 s, then the server left it open for 2\.9 s"
    with pytest.raises(framing.FramingError, match=found):
        framing.require_closed(response)
    # Also where the status is wrong as well: as a known issue it may not have the one alone.
    outcome = run_case(Canned(response), SERVER, case(status=[400], contract="error"))
    assert [failure.layer for failure in outcome.failures] == ["status", "framing"]
    assert re.search(found, outcome.failures[1].actual)


def test_a_stream_that_is_closed_soon_after_its_error_passes() -> None:
    body = b"data: the prompt is too long\n\ndata: [DONE]\n\n"
    response = replace(exchange(body, content_type="text/event-stream"), seconds=2.0, chunks=((0.1, body),))
    framing.require_closed(response)


def test_the_time_until_the_server_closes_is_measured(
    serve: Callable[[Reply], TinyServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = stream(chunk("a"), chunk(reason="stop", usage=USAGE)).body

    def stays_open(connection: socket.socket, closing: threading.Event) -> None:
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n"
        connection.sendall(head + body)
        closing.wait(1.0)

    monkeypatch.setattr(framing, "CLOSE_SECONDS", 0.1)
    with closing_client(ApiClient(serve(stays_open).url)) as client:
        response = client.post("/v1/chat/completions", {})
    with pytest.raises(
        ConformanceError, match=r"including \[DONE\], after \d+\.\d s, then the server left it open"
    ):
        parse(response, "sse", ends_with_done=True)


# -- how long a failure is


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
    assert lines[0] == "openai.chat.x  a title"
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
