"""Frames of a stream, strict JSON, and an exchange as it is shown to a reader."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest

from support.http.exchange import Exchange, NotJson, strict_json
from support.http.framing import (
    STREAM_TYPES,
    Event,
    FramingError,
    completed_at,
    parse_events,
    require_closed,
    server_error,
    split_lines,
    stream_state,
)
from tests.plain_ids import plain_id
from tests.timeouts import PATIENCE

# -- server-sent events


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"", []),
        (b"data: a\n\n", [Event("a")]),
        (b"data: a\n\ndata: b\n\n", [Event("a"), Event("b")]),
        (b"data:a\n\n", [Event("a")]),
        (b"data:  a \n\n", [Event(" a ")]),
        (b": keep-alive\n\ndata: a\n: more\n\n:\n\n", [Event("a")]),
        (b"data: a\ndata: b\ndata:\n\n", [Event("a\nb\n")]),
        (b"data\n\n", [Event("")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [Event("a"), Event("b")]),
        (b"data: a\r\ndata: b\r\n\r\n", [Event("a\nb")]),
        (b"data: a\r\rdata: b\r\r", [Event("a"), Event("b")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [Event("a", "error"), Event("b")]),
        (b"event: lonely\n\ndata: a\n\n", [Event("a")]),
        (b"id: 1\nretry: 10\ndata: a\n\n", [Event("a")]),
        (b"data: a\n\n\n\ndata: [DONE]\n\n", [Event("a"), Event("[DONE]")]),
        ('data: {"a": "ä:\u2028"}\n\n'.encode(), [Event('{"a": "ä:\u2028"}')]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event("a")]),
    ],
    ids=plain_id,
)
def test_a_stream_is_read_as_the_standard_says(body: bytes, events: list[Event]) -> None:
    assert parse_events(body) == events


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"data: \xff\n\n", "event 1 is not UTF-8"),
        (b"data: \xe2\x82\n\n", "event 1 is not UTF-8"),
        (b"data: a\n\ndata: b\n", "the last event is not ended by a blank line: 'b'"),
        (b"data: a", "the last event is not ended by a blank line: 'a'"),
        (b'{"error": 1}\n\n', "unknown field in line"),
        (b" data: a\n\n", "unknown field in line"),
        (b"Data: a\n\n", "unknown field in line"),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", "unknown field in line"),
    ],
    ids=plain_id,
)
def test_a_broken_frame_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(FramingError, match=words):
        parse_events(body)


LONG = "x" * 81


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b"data: a\n\ndata: b\n\ndata: \xff\n\n",
            "event 3 is not UTF-8: 'utf-8' codec can't decode byte 0xff in position 24: invalid start byte",
        ),
        (b"data: a\n\nid: 1\nwrong: b\n\n", "event 2: unknown field in line 'wrong: b'"),
        (f"{LONG}\n\n".encode(), f"event 1: unknown field in line '{LONG[:80]}'"),
        (
            f"data: a\n\ndata: b\ndata: {LONG}".encode(),
            f"the last event is not ended by a blank line: '{LONG[:80]}' (event 2)",
        ),
    ],
    ids=["UTF-8", "field", "long field", "end"],
)
def test_a_broken_frame_is_described_with_its_number(body: bytes, message: str) -> None:
    with pytest.raises(FramingError) as caught:
        parse_events(body)
    assert str(caught.value) == message


# -- how far a stream came, and the server's own error in it


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'data: {"choices": []}\n\ndata: {"error": {"message": "engine died"}}\n\n', "event 2: engine died"),
        (b'data: {"error": "engine died"}\n\ndata: [DONE]\n\n', "event 1: engine died"),
        (b"data: {}\n\ndata: {}\n\ndata: engine died\n\n", "event 3: engine died"),
        (b'event: error\ndata: {"message": "engine died"}\n\n', "event 1: engine died"),
        (b"event: error\r\ndata: engine died\r\n\r\n", "event 1: engine died"),
        (
            b'data: {"type": "error", "error": {"type": "x", "message": "engine died"}}\n\n',
            "event 1: engine died",
        ),
        (
            b'data: {"type": "response.failed", "response": {"error": {"message": "engine died"}}}\n\n',
            "event 1: engine died",
        ),
        (b'{"done": false}\n{"error": "engine died"}\n', "event 2: engine died"),
        (b": ping\n\ndata: {}\n\ndata: engine died", "event 2: engine died"),
        (b'data: {"object": "error", "message": "engine died", "code": 500}\n\n', "event 1: engine died"),
        (
            b'data: {"choices": [{"index": 0, "error": {"message": "engine died"}}]}\n\n',
            "event 1: engine died",
        ),
        (b'data: {"choices": []}\n\ndata: {"detail": "engine died"}\n\n', "event 2: engine died"),
        (b'data: {"message": "engine died", "code": 500}\n\n', "event 1: engine died"),
        (b'data: {}\n\nerror: {"message": "engine died"}\n\n', "event 2: engine died"),
        (b'data: {}\n\n{"error": {"message": "engine died"}}\n', "event 2: engine died"),
        (b'data: {}\n\nid: 1\n{"error": "engine died"}\n', "event 2: engine died"),
        (b'data: {"error": {"code": "\xc3\xa4"}}\n\n', 'event 1: {"code": "ä"}'),
        (b'event: error\ndata: {"code": 5}\n\n', 'event 1: {"code": 5}'),
        (b'data: {"type": "error", "code": 5}\n\n', 'event 1: {"type": "error", "code": 5}'),
        (b'event: a\nevent: error\ndata: {"code": 5}\n\n', 'event 1: {"code": 5}'),
        (b'data: {"choices": [3, {"error": "engine died"}]}\n\n', "event 1: engine died"),
        (b'data: {"detail": "engine died", "status": 500}\n\n', "event 1: engine died"),
        (b'data: {"detail": [1], "message": "engine died"}\n\n', "event 1: engine died"),
        (
            b'data: {"detail": "engine died", "message": "x", "code": 1, "status": 500}\n\n',
            "event 1: engine died",
        ),
        (b"event: error\ndata: {}\n\n", "event 1: no message"),
        (b"event: error\ndata: [1]\n\n", "event 1: [1]"),
        (b" \n{}\n\n\xff\n", "event 2: \ufffd"),
        (f"data: {'x' * 201}\n\n".encode(), f"event 1: {'x' * 199}…"),
    ],
    ids=plain_id,
)
def test_the_error_of_the_server_is_found_with_its_number(body: bytes, error: str) -> None:
    assert server_error(body) == f"server error in {error}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"data: [DONE]\n\n",
        b'data: {"choices": [], "error": null}\n\n',
        b'data: {"cut\n\n',
        b"data: \n\n",
        b'data: {"type": "response.completed", "response": {"error": null}}\n\n',
        b'data: "a text"\n\ndata: [1]\n\n',
        b'{"done": true}\n',
        b'{"message": {"content": "a"}}\n{"status": "success"}\n',
        b'data: {"choices": [{"index": 0, "error": null}]}\n\n',
        b'data:   {"cut\n\n',
        b"data: [1\n\n",
        b'data: "cut\n\n',
        b"data:    \n\n",
        b'data: {"choices": 3, "response": 4}\n\n',
        b'data: {"message": "a text", "role": "assistant"}\n\n',
        b'data: {"message": 3}\n\n',
        b"error:\n\n",
    ],
    ids=plain_id,
)
def test_a_stream_without_an_error_has_none(body: bytes) -> None:
    assert server_error(body) == ""


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (b"data: {}\n\ndata: [DONE]\n\n", "complete, including [DONE],"),
        (b"data: {}\n\ndata: [DONE]\n\n: ping\n\n", "complete, including [DONE],"),
        (b'event: message_stop\ndata: {"type": "message_stop"}\n\n', "complete"),
        (b'{"done": true}\n', "complete"),
        (b": ping\n\n: ping\n\n", "no event, only 2 comments"),
        (b"", ""),
        (b"data: {}\n\ndata: {}\n\n", "2 events, the last one"),
    ],
    ids=plain_id,
)
def test_the_state_of_a_stream_without_an_end(body: bytes, state: str) -> None:
    assert stream_state(body)[0] == state


@pytest.mark.parametrize(
    ("begin", "end", "state"),
    [
        (b"data: {}\n\ndata: [DONE]", b"\n\n: ping\n\n", "complete, including [DONE],"),
        (b'data: {\ndata: "type": "message_stop"}', b"\n\n", "complete"),
        (b'data: {\r\ndata: "type": "response.failed"}', b"\r\n\r\n", "complete"),
        (b'{"done": false}\n{"a": "\xc3\xa4", "done": true}', b"\n", "complete"),
        (b'{"done": 1}\n\n{"done": "true"}', b"\n", "2 events, the last one"),
        (b"data: {}\n\ndata: {}", b"\n\n", "2 events, the last one"),
        (b"data: {}", b"\n\n", "1 event, the last one"),
        (b"data: [true]", b"\n\n", "1 event, the last one"),
        (b"data: cut", b"", "1 event, the last one"),
        (b": ping\n\n: ping\n\nid: 1\n\n", b"", "no event, only 2 comments"),
        (b"id: 1\n\n", b"", ""),
    ],
    ids=plain_id,
)
def test_the_last_event_ends_with_the_last_line_of_its_data(begin: bytes, end: bytes, state: str) -> None:
    assert stream_state(begin + end) == (state, len(begin))


def streamed(*reads: tuple[float, bytes], content_type: str, seconds: float) -> Exchange:
    body = b"".join(read for _, read in reads)
    headers = {"content-type": content_type}
    return exchange(headers=headers, body=body, seconds=seconds, chunks=reads)


EVENTS, LINES = STREAM_TYPES
STOP = b'data: {\ndata: "type": "message_stop"}\n\n'
# Its last line occurs before and after it as well.
FAILED = (b'data: {}\n\ndata: {"error":\ndata: "died"\ndata: ', b"}\n\n", b"data: {}\n\ndata: [DONE]\n\n")


@pytest.mark.parametrize(
    ("content_type", "reads", "complete"),
    [
        (EVENTS, ((0.5, b"data: {}\n\n"), (1.0, b"data: [DONE]\n\n")), ("complete, including [DONE],", 1.0)),
        (EVENTS, ((1.0, STOP), (9.0, b": ping\n\n")), ("complete", 1.0)),
        (LINES, ((1.0, b'{"done": true}\n'),), ("complete", 1.0)),
        (EVENTS, ((1.0, b"data: {}\n\n"),), ("", 0.0)),
        ("application/json", ((1.0, b'{"done": true}'),), ("", 0.0)),
    ],
)
def test_a_stream_is_complete_with_its_last_event(
    content_type: str, reads: tuple[tuple[float, bytes], ...], complete: tuple[str, float]
) -> None:
    assert completed_at(streamed(*reads, content_type=content_type, seconds=9.0)) == complete


@pytest.mark.parametrize(
    ("content_type", "reads", "message"),
    [
        (
            EVENTS,
            ((1.0, STOP),),
            "the stream was complete after 1.0 s, then the server left it open for 8.5 s",
        ),
        (
            EVENTS,
            tuple(zip((1.0, 2.0, 9.0), FAILED, strict=True)),
            "the stream was ended by an error in event 2 after 2.0 s, then the server left it open for 7.5 s",
        ),
        (
            LINES,
            ((1.0, b'{"error": "died"'), (2.0, b"}"), (9.0, b"\n")),
            "the stream was ended by an error in event 1 after 2.0 s, then the server left it open for 7.5 s",
        ),
        (EVENTS, ((4.0, STOP),), ""),
        # As long as the stream took, and two seconds.
        (EVENTS, ((3.75, STOP),), ""),
        (
            EVENTS,
            ((3.5, STOP),),
            "the stream was complete after 3.5 s, then the server left it open for 6.0 s",
        ),
        (EVENTS, ((1.0, b"data: {}\n\n"),), ""),
        ("application/json", ((1.0, b'{"error": "died"}'),), ""),
    ],
)
def test_a_complete_stream_is_to_be_closed(
    content_type: str, reads: tuple[tuple[float, bytes], ...], message: str
) -> None:
    response = streamed(*reads, content_type=content_type, seconds=9.5)
    if not message:
        require_closed(response)
        return
    with pytest.raises(FramingError) as caught:
        require_closed(response)
    assert str(caught.value) == message


# -- newline-delimited JSON


def test_a_line_separator_of_unicode_is_no_line_end() -> None:
    body = '{"a": "x\u2028y"}\n{"b": 2}\n'.encode()
    assert [strict_json(line, "here") for line in split_lines(body)] == [{"a": "x\u2028y"}, {"b": 2}]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "a stream without any line"),
        (b'{"a": 1}', "the last line is not ended: b'{\"a\": 1}'"),
        (b"y" + LONG.encode(), f"the last line is not ended: b'{LONG[:80]}'"),
        (b'{"a": 1}\n\n', "line 2 of 2 is blank"),
        (b'{"a": 1}\n \n{"a": 2}\n', "line 2 of 3 is blank"),
        (b'{"a": 1}\r\n\r\n', "line 2 of 2 is blank"),
        (b'{}\ndata: {"a": 1}\n', "line 2 is a server-sent event: b'data: {\"a\": 1}'"),
        (b"event: x\n", "line 1 is a server-sent event: b'event: x'"),
        (b"data:" + LONG.encode() + b"\n", f"line 1 is a server-sent event: b'data:{LONG[:75]}'"),
    ],
    ids=plain_id,
)
def test_a_broken_line_is_rejected(body: bytes, words: str) -> None:
    with pytest.raises(FramingError) as caught:
        split_lines(body)
    assert str(caught.value) == words


# -- JSON


@pytest.mark.parametrize("text", ['{"a": [1, 2.5, null, true, "ä"]}', " 7 \n", '"x"', "[]"])
def test_json_is_read(text: str) -> None:
    assert strict_json(text.encode(), "here") == json.loads(text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b'{"a": NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b'{"a": 1, "a": 2}',
        b'[{"b": {"a": 1, "a": 1}}]',
        b'{"a": 1} x',
        b'{"a": 1}{"a": 1}',
        b'{"a": 1',
        b"{'a': 1}",
        b'{"a": 1,}',
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        b'{"a": 1}'.decode().encode("utf-16"),
        b"[" * 100_000 + b"]" * 100_000,
        b"9" * 10_000,
    ],
    ids=plain_id,
)
def test_what_is_no_json_is_refused_with_place_and_content(data: bytes) -> None:
    with pytest.raises(NotJson, match=r"^GET /here: expected JSON: .+; got ['\"]") as caught:
        strict_json(data, "GET /here")
    assert len(str(caught.value)) < 1000


# -- exchanges

SECRET = "s3cret"
HEADERS = {
    "host": "127.0.0.1:1",
    "authorization": f"Bearer {SECRET}",
    "X-Api-Key": SECRET,
    "Cookie": f"id={SECRET}",
    "content-type": "application/json",
}


def exchange(**change: object) -> Exchange:
    values: dict[str, object] = {
        "method": "POST",
        "url": "http://127.0.0.1:1/v1/ask",
        "request_headers": HEADERS,
        "request_body": b'{"q": "it\'s $HOME"}',
        "status": 200,
        "headers": {"content-type": "Application/JSON; charset=utf-8", "set-cookie": f"id={SECRET}"},
        "body": b'{"a": "fine"}',
        "seconds": 0.25,
    }
    return Exchange(**(values | change))  # type: ignore[arg-type]


def test_the_curl_line_repeats_the_request_with_the_token_of_the_shell() -> None:
    line = exchange().curl()
    assert SECRET not in line
    # What a shell makes of it, with printf in the place of curl.
    printed = subprocess.run(
        ["/bin/sh", "-c", line.replace("curl", "printf '%s\\n'", 1)],
        env={"TOKEN": "mine", "HOME": "/"},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    ).stdout
    words = printed.splitlines()
    assert words[:4] == ["-sS", "-i", "-X", "POST"]
    assert words[4] == "http://127.0.0.1:1/v1/ask"
    assert "authorization: mine" in words
    assert "X-Api-Key: mine" in words
    assert "content-type: application/json" in words
    assert words[words.index("--data-binary") + 1] == '{"q": "it\'s $HOME"}'


def test_the_curl_line_of_a_body_without_type_sends_none() -> None:
    words = shlex.split(exchange(request_headers={}).curl())
    assert words[words.index("--data-binary") - 1] == "Content-Type:"


def test_the_curl_line_of_a_request_without_body_sends_none() -> None:
    words = shlex.split(exchange(method="GET", request_headers={}, request_body=b"").curl())
    assert words == ["curl", "-sS", "-i", "-X", "GET", "http://127.0.0.1:1/v1/ask"]


def test_a_failure_message_shows_the_answer_and_how_to_repeat_it() -> None:
    text = exchange().describe()
    assert "answer: 200 application/json" in text
    assert "fine" in text
    assert "repeat: curl -sS" in text
    assert SECRET not in text
    assert len(exchange(body=b"x" * 100_000).describe()) < 1500


def test_the_arrival_time_of_a_line_is_that_of_its_last_byte() -> None:
    chunks = ((0.1, b'{"a"'), (0.2, b': 1}\n{"b": 2}'), (0.3, b"\n"))
    whole = exchange(body=b"".join(chunk for _, chunk in chunks), chunks=chunks)
    assert [whole.arrival_time(position) for position in (9, 18)] == [0.2, 0.3]
    assert exchange().arrival_time(3) == 0.0


def test_the_media_type_is_without_parameters_and_small() -> None:
    assert exchange().content_type == "application/json"
    assert exchange(headers={}).content_type == ""


def test_a_body_is_read_as_strict_json() -> None:
    assert exchange().json() == {"a": "fine"}
    with pytest.raises(NotJson, match=r"POST http://127.0.0.1:1/v1/ask: expected JSON"):
        exchange(body=b"{").json()
