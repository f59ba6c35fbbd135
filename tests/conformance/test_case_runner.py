"""The engine notices each way to break a contract, and says which layer it was."""

from __future__ import annotations

from typing import Any

import pytest

from support.conformance.case_runner import Result, run_case
from support.conformance.missing_routes import MissingRoutes
from support.conformance.response_parser import ConformanceError, parse
from support.http.client import RequestFailed
from support.http.exchange import Exchange
from tests.conformance.samples import SERVER, Canned, case, chat, chunk, exchange, reply, stream

CHAT = case(contract="chat")
STREAM = case(contract="chat stream", kind="sse")
GOOD_STREAM = [chunk("The comet "), chunk("comes back."), chunk(reason="stop")]


def judged(what: Any, *answers: Exchange) -> Result:
    return run_case(Canned(*answers), SERVER, what)


def test_a_good_answer_is_kept() -> None:
    result = judged(CHAT, reply(chat()))
    assert (result.outcome, result.reason) == ("passed", "")
    result.require_passed()


def test_a_good_stream_is_kept() -> None:
    assert judged(STREAM, stream(*GOOD_STREAM)).outcome == "passed"


@pytest.mark.parametrize(
    ("answer", "layer", "seen"),
    [
        (exchange(b"<html>", content_type="text/html"), "framing", "expected application/json"),
        (exchange(b"{", content_type=""), "framing", "no content type"),
        (exchange(b'{"a": NaN}'), "JSON", "NaN"),
        (exchange(b'{"a": 1, "a": 2}'), "JSON", "twice"),
        (exchange(b"{} {}"), "JSON", "Extra data"),
        (reply(chat(), status=500), "status", "expected 200, got 500"),
        (reply([]), "official type", ""),
        (reply(chat(id=7)), "official type", "id"),
        (reply(chat(surprise=1)), "contract", "nobody agreed on: surprise"),
        (reply(chat(choices=chat()["choices"] * 2)), "invariants", "[0, 0]"),
    ],
)
def test_a_spoiled_answer_is_noticed(answer: Exchange, layer: str, seen: str) -> None:
    result = judged(CHAT, answer)
    assert (result.outcome, result.layer) == ("failed", layer), result.reason
    assert seen in result.actual
    with pytest.raises(AssertionError, match="rule: a test"):
        result.require_passed()


@pytest.mark.parametrize(
    ("answer", "layer", "seen"),
    [
        (stream(*GOOD_STREAM, end=""), "framing", "[DONE]"),
        (exchange(b"data: oops\n\ndata: [DONE]\n\n", content_type="text/event-stream"), "JSON", "oops"),
        (stream({"error": {"message": "no"}}), "official type", "id"),
        (stream(chunk("a", surprise=1), chunk(reason="stop")), "contract", "nobody agreed on: surprise"),
        (stream(chunk("a")), "invariants", "finish reasons"),
    ],
)
def test_a_spoiled_stream_is_noticed(answer: Exchange, layer: str, seen: str) -> None:
    result = judged(STREAM, answer)
    assert (result.outcome, result.layer) == ("failed", layer), result.reason
    assert seen in result.actual


def test_expectations_look_at_streams_and_fill_in_names() -> None:
    expect = [
        {"at": "text", "is": "The comet comes back."},
        {"at": "last.choices[0].finish_reason", "is": "stop"},
        {"at": "length(chunks)", "is": 3},
        {"at": "chunks[0].model", "is": "{model}"},
    ]
    assert judged(case(kind="sse", expect=expect), stream(*GOOD_STREAM)).outcome == "passed"
    wrong = judged(case(expect=[{"at": "model", "not": "{model}"}]), reply(chat()))
    assert (wrong.layer, "model: expected not 'tiny'" in wrong.actual) == ("expectation", True)


def test_headers_are_looked_at() -> None:
    good = case(headers={"Content-Type": "application/json"})
    assert judged(good, reply(chat())).outcome == "passed"
    wrong = judged(case(headers={"x-request-id": {"matches": "."}}), reply(chat()))
    assert (wrong.layer, "x-request-id" in wrong.actual) == ("headers", True)


def test_the_same_again_is_compared() -> None:
    twin = case(contract="chat", again={"change": {"stream": True}, "same": ["text", "finish_reason"]})
    same = stream(chunk("The comet comes back."), chunk(reason="stop"))
    assert judged(twin, reply(chat()), same).outcome == "passed"
    result = judged(twin, reply(chat()), stream(chunk("The comet"), chunk(reason="stop")))
    assert (result.layer, "text was" in result.actual) == ("again", True)
    differing = case(again={"differs": ["text"]})
    assert judged(differing, reply(chat()), reply(chat("Something else."))).outcome == "passed"
    assert judged(differing, reply(chat())).layer == "again"


def test_after_a_refusal_a_good_request_is_served() -> None:
    refused = case(status=[400, 422], kind="any")
    no = reply({"error": "no"}, status=400)
    client = Canned(no, reply(chat()))
    assert run_case(client, SERVER, refused).outcome == "passed"
    assert len(client.sent) == 2 and b"comet" in client.sent[1][2]
    assert judged(refused, no, reply(chat(), status=500)).layer == "afterwards"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Invalid grammar at line 1 column 2", True),
        ("the model /models/tiny is not there", True),
        ("Traceback (most recent call last):", False),
        ("thread 'main' panicked at", False),
        ("error in core/src/engine.rs:12", False),
        ("cannot open /opt/stack/model.gguf", False),
        ("toy-key-1234 is not allowed", False),
    ],
)
def test_a_refusal_tells_nothing_of_the_insides(said: str, kept: bool) -> None:
    refused = case(status=400, kind="any")
    result = judged(refused, reply({"error": said}, status=400), reply(chat()))
    assert (result.layer == "discretion") is not kept, result.reason


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (exchange(b"", 404, ""), "unsupported"),
        (exchange(b"404 page not found", 404, "text/plain"), "unsupported"),
        (reply({"error": {"message": "Not Found: POST /v1/x"}}, 404), "unsupported"),
        (reply({"error": "model 'x' not found"}, 404), "failed"),
        (exchange(b"", 501, ""), "unsupported"),
        (exchange(b"", 405, ""), "unsupported"),
    ],
)
def test_a_missing_route_is_told_from_a_refusal(answer: Exchange, outcome: str) -> None:
    assert judged(CHAT, answer).outcome == outcome
    wanted = case(status=answer.status, kind="any")
    assert judged(wanted, answer, reply(chat())).outcome == "passed"


def test_a_missing_route_is_said_once() -> None:
    missing = MissingRoutes()
    first, second = case(title="the first"), case(title="the second")
    assert missing.reason_for_case("toy", first) is None
    missing.mark_missing("toy", first)
    assert missing.reason_for_case("toy", first) is None
    assert missing.reason_for_case("other", second) is None
    assert "the first" in (missing.reason_for_case("toy", second) or "")


def test_a_server_that_breaks_off_is_broken() -> None:
    class Gone(Canned):
        def send(self, *words: Any, **more: Any) -> Exchange:
            raise RequestFailed("the server broke off")

    result = run_case(Gone(reply({})), SERVER, CHAT)
    assert (result.outcome, result.layer) == ("failed", "transport")


def test_pieces_know_when_they_came() -> None:
    answer = stream(*GOOD_STREAM)
    times = [piece.elapsed for piece in parse(answer, "sse", ends_with_done=True).chunks]
    assert times == sorted(times) and times[-1] == 0.2


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b'{"a": 1}', "not ended"),
        (b'{"a": 1}\n\n', "blank"),
        (b'data: {"a": 1}\n', "server-sent"),
        (b"", "any line"),
    ],
)
def test_lines_are_read_from_the_bytes(body: bytes, seen: str) -> None:
    with pytest.raises(ConformanceError, match=seen):
        parse(exchange(body, content_type="application/x-ndjson"), "ndjson", ends_with_done=False)
    good = exchange(b'{"a": 1}\n{"a": 2}\n', content_type="application/x-ndjson")
    assert parse(good, "ndjson", ends_with_done=False).values == [{"a": 1}, {"a": 2}]
