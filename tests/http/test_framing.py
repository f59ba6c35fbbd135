"""Frames of a stream, strict JSON, and an exchange as it is shown to a reader."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest

from support.http.exchange import Exchange, NotJson, strict_json
from support.http.framing import Event, FramingError, parse_events, server_error, split_lines, stream_state
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
        (b"data: a\r\rdata: b\r\r", [Event("a"), Event("b")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [Event("a", "error"), Event("b")]),
        (b"event: lonely\n\ndata: a\n\n", [Event("a")]),
        (b"id: 1\nretry: 10\ndata: a\n\n", [Event("a")]),
        (b"data: a\n\n\n\ndata: [DONE]\n\n", [Event("a"), Event("[DONE]")]),
        ('data: {"a": "ä:\u2028"}\n\n'.encode(), [Event('{"a": "ä:\u2028"}')]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event("a")]),
    ],
    ids=repr,
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
    ids=repr,
)
def test_a_broken_frame_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(FramingError, match=words):
        parse_events(body)


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
            "engine died",
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
    ],
    ids=repr,
)
def test_the_error_of_the_server_is_found_with_its_number(body: bytes, error: str) -> None:
    assert server_error(body).startswith("server error in event ")
    assert server_error(body).endswith(error)


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
    ],
    ids=repr,
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
    ids=repr,
)
def test_the_state_of_a_stream_without_an_end(body: bytes, state: str) -> None:
    assert stream_state(body)[0] == state


# -- newline-delimited JSON


def test_a_line_separator_of_unicode_is_no_line_end() -> None:
    body = '{"a": "x\u2028y"}\n{"b": 2}\n'.encode()
    assert [strict_json(line, "here") for line in split_lines(body)] == [{"a": "x\u2028y"}, {"b": 2}]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "without any line"),
        (b'{"a": 1}', "not ended"),
        (b'{"a": 1}\n\n', "line 2 of 2 is blank"),
        (b'{"a": 1}\n \n{"a": 2}\n', "line 2 of 3 is blank"),
        (b'{"a": 1}\r\n\r\n', "blank"),
        (b'data: {"a": 1}\n', "server-sent event"),
        (b"event: x\n", "server-sent event"),
    ],
    ids=repr,
)
def test_a_broken_line_is_rejected(body: bytes, words: str) -> None:
    with pytest.raises(FramingError, match=words):
        split_lines(body)


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
    ids=lambda data: repr(data[:20]),
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
