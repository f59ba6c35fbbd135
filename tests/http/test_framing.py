"""Frames of a stream, strict JSON, and an exchange as it is shown to a reader."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest

from support.http.exchange import ALLURE_REDACTED, Exchange, NotJson, strict_json
from support.http.sse import Event, SseError, parse_events
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
        (b"data: \xff\n\n", "not UTF-8"),
        (b"data: \xe2\x82\n\n", "not UTF-8"),
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
    with pytest.raises(SseError, match=words):
        parse_events(body)


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


def test_the_evidence_masks_secrets_and_keeps_the_rest() -> None:
    evidence = exchange().evidence("ask")
    assert (evidence.name, evidence.media_type) == ("ask", "application/vnd.allure.http+json")
    assert SECRET.encode() not in evidence.data
    document = json.loads(evidence.data)
    request = {pair["name"]: pair["value"] for pair in document["request"]["headers"]}
    assert request["authorization"] == request["X-Api-Key"] == request["Cookie"] == ALLURE_REDACTED
    assert request["content-type"] == "application/json"
    assert document["request"]["body"]["value"] == '{"q": "it\'s $HOME"}'
    assert document["response"]["status"] == 200
    assert document["response"]["body"]["value"] == '{"a": "fine"}'
    assert document["stop"] - document["start"] == 250


def test_a_long_body_is_cut_in_the_evidence_and_says_so() -> None:
    document = json.loads(exchange(body=b"x" * 300_000).evidence("x").data)
    assert document["response"]["body"]["value"].endswith("... (300000 bytes in all)")


def test_the_media_type_is_without_parameters_and_small() -> None:
    assert exchange().content_type == "application/json"
    assert exchange(headers={}).content_type == ""


def test_a_body_is_read_as_strict_json() -> None:
    assert exchange().json() == {"a": "fine"}
    with pytest.raises(NotJson, match=r"POST http://127.0.0.1:1/v1/ask: expected JSON"):
        exchange(body=b"{").json()
