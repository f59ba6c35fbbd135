"""The engine notices each way to break a contract, and says which layer it was."""

from __future__ import annotations

from typing import Any

import pytest

from support.conformance.case_runner import Outcome, run_case
from support.conformance.missing_routes import MissingRoutes
from support.conformance.response_parser import ConformanceError, parse
from support.http.client import RequestFailed
from support.http.exchange import Exchange
from tests.conformance.samples import SERVER, Canned, case, chat, chunk, exchange, reply, stream

CHAT = case(contract="chat")
STREAM = case(contract="chat stream", kind="sse")
GOOD_STREAM = [chunk("The comet "), chunk("comes back."), chunk(reason="stop")]


def judged(what: Any, *answers: Exchange) -> Outcome:
    return run_case(Canned(*answers), SERVER, what)


def layers(outcome: Outcome) -> list[str]:
    """Where it failed; nothing for a missing route."""
    return [failure.layer for failure in outcome.failures]


def test_a_good_answer_is_kept() -> None:
    result = judged(CHAT, reply(chat()))
    assert (result.passed, result.reason) == (True, "")


def test_a_good_stream_is_kept() -> None:
    assert judged(STREAM, stream(*GOOD_STREAM)).passed


@pytest.mark.parametrize(
    ("answer", "layer", "seen"),
    [
        (exchange(b"<html>", content_type="text/html"), "framing", "expected application/json"),
        (exchange(b"{", content_type=""), "framing", "no content type"),
        (
            exchange(b"{}", content_type="application/json; charset=ISO-8859-1"),
            "framing",
            "charset=ISO-8859-1",
        ),
        (exchange(b'{"a": NaN}'), "JSON", "NaN"),
        (exchange(b'{"a": 1, "a": 2}'), "JSON", "twice"),
        (exchange(b"{} {}"), "JSON", "Extra data"),
        (reply(chat(), status=500), "status", "expected 200, got 500"),
        (reply([]), "official type", ""),
        (reply(chat(id=7)), "official type", "id"),
        (reply(chat(surprise=1)), "contract", "unknown fields: surprise"),
        (reply(chat(choices=chat()["choices"] * 2)), "invariants", "[0, 0]"),
    ],
)
def test_a_spoiled_answer_is_noticed(answer: Exchange, layer: str, seen: str) -> None:
    result = judged(CHAT, answer)
    assert layers(result) == [layer], result.reason
    assert seen in result.reason


@pytest.mark.parametrize(
    ("answer", "layer", "seen"),
    [
        (stream(*GOOD_STREAM, end=""), "framing", "[DONE]"),
        (exchange(b"data: oops\n\ndata: [DONE]\n\n", content_type="text/event-stream"), "JSON", "oops"),
        (stream({"error": {"message": "no"}}), "official type", "id"),
        (stream(chunk("a", surprise=1), chunk(reason="stop")), "contract", "unknown fields: surprise"),
        (stream(chunk("a")), "invariants", "finish reasons"),
    ],
)
def test_a_spoiled_stream_is_noticed(answer: Exchange, layer: str, seen: str) -> None:
    result = judged(STREAM, answer)
    assert layers(result) == [layer], result.reason
    assert seen in result.reason


def test_expectations_look_at_streams_and_fill_in_names() -> None:
    expect = [
        {"path": "text", "is": "The comet comes back."},
        {"path": "last.choices[0].finish_reason", "is": "stop"},
        {"path": "length(chunks)", "is": 3},
        {"path": "chunks[0].model", "is": "{model}"},
    ]
    assert judged(case(kind="sse", expect=expect), stream(*GOOD_STREAM)).passed
    wrong = judged(case(expect=[{"path": "model", "not": "{model}"}]), reply(chat()))
    assert (layers(wrong), "model: expected not 'tiny'" in wrong.reason) == (["expectation"], True)


def test_every_failed_expectation_is_reported() -> None:
    wrong = case(
        headers={"x-request-id": {"matches": "."}},
        expect=[
            {"path": "model", "is": "large"},
            {"path": "object", "is": "chat.completion"},
            {"path": "id", "is": "2"},
        ],
    )
    result = judged(wrong, reply(chat()))
    assert layers(result) == ["headers", "expectation", "expectation"]
    assert len(result.reason.splitlines()) == 3


def test_headers_are_looked_at() -> None:
    good = case(headers={"Content-Type": "application/json"})
    assert judged(good, reply(chat())).passed
    wrong = judged(case(headers={"x-request-id": {"matches": "."}}), reply(chat()))
    assert (layers(wrong), "x-request-id" in wrong.reason) == (["headers"], True)


def test_the_same_again_is_compared() -> None:
    twin = case(contract="chat", repetition={"change": {"stream": True}, "same": ["text", "finish_reason"]})
    same = stream(chunk("The comet comes back."), chunk(reason="stop"))
    assert judged(twin, reply(chat()), same).passed
    result = judged(twin, reply(chat()), stream(chunk("The comet"), chunk(reason="stop")))
    assert (layers(result), "text was" in result.reason) == (["repetition"], True)
    differing = case(repetition={"differs": ["text"]})
    assert judged(differing, reply(chat()), reply(chat("Something else."))).passed
    assert layers(judged(differing, reply(chat()))) == ["repetition"]


def test_after_a_refusal_a_good_request_is_served() -> None:
    refused = case(status=[400, 422], kind="any")
    no = reply({"error": "no"}, status=400)
    client = Canned(no, reply(chat()))
    assert run_case(client, SERVER, refused).passed
    assert len(client.sent) == 2 and b"comet" in client.sent[1][2]
    assert layers(judged(refused, no, reply(chat(), status=500))) == ["health check"]


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
def test_a_refusal_tells_nothing_of_the_insides(said: str, *, kept: bool) -> None:
    refused = case(status=400, kind="any")
    result = judged(refused, reply({"error": said}, status=400), reply(chat()))
    assert (layers(result) == ["leaked internals"]) is not kept, result.reason


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (exchange(b"", 404, ""), "missing"),
        (exchange(b"404 page not found", 404, "text/plain"), "missing"),
        (reply({"error": {"message": "Not Found: POST /v1/x"}}, 404), "missing"),
        (reply({"error": "model 'x' not found"}, 404), "failed"),
        (exchange(b"", 501, ""), "missing"),
        (exchange(b"", 405, ""), "missing"),
    ],
)
def test_a_missing_route_is_told_from_a_refusal(answer: Exchange, outcome: str) -> None:
    result = judged(CHAT, answer)
    assert not result.passed
    assert ("missing" if result.missing_route else "failed") == outcome
    wanted = case(status=answer.status, kind="any")
    assert judged(wanted, answer, reply(chat())).passed


def test_a_missing_route_is_said_once() -> None:
    missing = MissingRoutes()
    first, second = case(id="openai.toy.first"), case(id="openai.toy.second")
    assert missing.reason_for_case("toy", first) is None
    missing.mark_missing("toy", first)
    assert missing.reason_for_case("toy", first) is None
    assert missing.reason_for_case("other", second) is None
    assert "openai.toy.first" in (missing.reason_for_case("toy", second) or "")


def test_a_server_that_breaks_off_is_broken() -> None:
    class Gone(Canned):
        def send(self, *words: Any, **more: Any) -> Exchange:
            raise RequestFailed("the server broke off")

    result = run_case(Gone(reply({})), SERVER, CHAT)
    assert (layers(result), result.unanswered) == (["transport"], True)


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


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"'])
def test_the_charset_of_json_may_be_named(charset: str) -> None:
    parse(exchange(b"{}", content_type=f"application/json; charset={charset}"), "json", ends_with_done=True)
