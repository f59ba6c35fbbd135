"""Responses and streams as the load reads them: every split of the bytes, every shape of a stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate, pairwise

import pytest

from support.http.answer_stream import TokenEvent, TokenKind, ollama_answer, openai_answer
from support.performance.load.response import Head, MalformedResponse, ResponseEnd, read_response
from tests.plain_ids import plain_id

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = [b'data: {"a":1}\n\n', b": ping\n\n", b"data: [DONE]\n\n"]
CONTENT, REASONING = TokenKind.CONTENT, TokenKind.REASONING


def chunked(*payloads: bytes, last: bytes = b"0\r\n\r\n") -> bytes:
    return CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in payloads) + last


def split(data: bytes, *cuts: int) -> list[bytes]:
    bounds = [0, *cuts, len(data)]
    return [data[begin:end] for begin, end in pairwise(bounds)]


def ends_at(pieces: Sequence[bytes]) -> int | None:
    """The number of the piece that completes the response."""
    end = ResponseEnd()
    return next((number for number, piece in enumerate(pieces) if end.is_in(piece)), None)


WHOLE = chunked(*EVENTS)


@pytest.mark.parametrize(
    "response",
    [
        WHOLE,
        chunked(),
        chunked(b"x" * 16, b"0"),
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nwrong",
    ],
    ids=["events", "empty", "zeros", "length"],
)
def test_the_end_is_found_at_the_last_byte_however_a_response_is_split(response: bytes) -> None:
    assert ends_at([response]) == 0
    assert ends_at([response[:-1]]) is None
    assert ends_at([bytes([byte]) for byte in response]) == len(response) - 1
    for cut in range(1, len(response)):
        assert ends_at(split(response, cut)) == 1


def test_a_response_without_length_ends_with_its_connection() -> None:
    end = ResponseEnd()
    assert not end.is_in(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody")
    assert not end.is_in(b"\r\n0\r\n\r\n")
    assert (end.is_end_of_connection, end.keeps_connection) == (True, False)
    assert read_response([b"HTTP/1.1 200 OK\r\n\r\nbody"], [1]).body == b"body"


def test_each_part_of_a_body_was_there_with_the_read_of_its_last_byte() -> None:
    ends = list(accumulate(map(len, EVENTS)))
    for cut in range(1, len(WHOLE)):
        response = read_response(split(WHOLE, cut), [100, 200])
        assert (response.body, response.complete) == (b"".join(EVENTS), True)
        for number, end in enumerate(ends):
            # Where the payload of this chunk ends in the bytes of the response.
            last_byte = WHOLE.index(EVENTS[number]) + len(EVENTS[number])
            assert response.arrival(end) == (100 if last_byte <= cut else 200), (cut, number)
            assert response.read_number(end) == (0 if last_byte <= cut else 1)


def test_a_response_that_broke_off_has_what_came() -> None:
    response = read_response([WHOLE[:-30]], [7])
    assert not response.complete
    assert response.body.startswith(EVENTS[0])
    short = read_response([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"], [7])
    assert (short.body, short.complete) == (b"half", False)


LONG = b"x" * 81


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no status line: 'SSH-2.0-OpenSSH'"),
        (b"\r\n\r\n", "no status line: ''"),
        (b"HTTP/1.1\t200 OK\r\n\r\n", r"no status line: 'HTTP/1.1\t200 OK'"),
        (b"HTTP/2 200 OK\r\n\r\n", "no status line: 'HTTP/2 200 OK'"),
        (b"HTTP/1.1\r\n\r\n", "no status line: 'HTTP/1.1'"),
        (b"HTTP/1.1 OK 200\r\n\r\n", "no status line: 'HTTP/1.1 OK 200'"),
        (b"HTTP/1.1 20\xb2 OK\r\n\r\n", "no status line: 'HTTP/1.1 20\xb2 OK'"),
        (LONG + b"\r\n\r\n", f"no status line: '{'x' * 80}'"),
        (b"HTTP/1.1 200 OK\r\n", "no end of the head: b'HTTP/1.1 200 OK\\r\\n'"),
        (LONG, f"no end of the head: b'{'x' * 80}'"),
        (CHUNKED + b"zz; a\r\n", "no size of a chunk: b'zz'"),
        (CHUNKED + b"\r\n", "no size of a chunk: b''"),
        # A size that leads back to an earlier chunk would be read without an end.
        (CHUNKED + b"5\r\nhello\r\n-10\r\n", "no size of a chunk: b'-10'"),
        (CHUNKED + b"1_0\r\n", "no size of a chunk: b'1_0'"),
        (CHUNKED + LONG + b"\r\n", f"no size of a chunk: b'{'x' * 80}'"),
    ],
    ids=plain_id,
)
def test_what_is_no_response_is_said_to_be_none(data: bytes, message: str) -> None:
    with pytest.raises(MalformedResponse) as caught:
        read_response([data], [0])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("data", "keeps_connection"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"SSH-2.0-OpenSSH\r\n\r\n", False),
        (b"\r\n\r\n", False),
    ],
)
def test_a_connection_is_kept_unless_it_is_closed_or_no_http(data: bytes, *, keeps_connection: bool) -> None:
    end = ResponseEnd()
    assert end.keeps_connection
    assert end.is_in(data)
    assert (end.keeps_connection, end.is_end_of_connection) == (keeps_connection, False)


@pytest.mark.parametrize(
    ("response", "body", "complete"),
    [
        (chunked(b"a" * 0x1A, b"b" * 10), b"a" * 0x1A + b"b" * 10, True),
        (CHUNKED + b"1A;name=value\r\n" + b"a" * 26 + b"\r\n 0 ;x\r\n\r\n", b"a" * 26, True),
        (CHUNKED + b"5\r\nhello\r\n", b"hello", False),
        (CHUNKED + b"5\r\nhe", b"he", False),
        (CHUNKED, b"", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", b"body", True),
        (b"HTTP/1.1 200\r\nContent-Length: \xb2\r\n\r\nbody", b"body", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: many\r\n\r\nbody", b"body", True),
    ],
    ids=plain_id,
)
def test_a_body_is_read_by_its_framing(response: bytes, body: bytes, *, complete: bool) -> None:
    found = read_response([response], [7])
    assert (found.status, found.body, found.complete) == (200, body, complete)


def test_a_part_of_a_chunk_counts_with_the_read_that_brought_it() -> None:
    pieces = [CHUNKED, b"a\r\nabcd", b"ef", b"ghij\r\n2\r", b"\nkl\r\n0\r\n\r\n"]
    response = read_response(pieces, [1, 2, 3, 4, 5])
    assert response.arrivals == ([0, 4, 6, 10, 12], [1, 2, 3, 4, 5])
    assert [response.arrival(end) for end in (1, 4, 5, 10, 11)] == [2, 2, 3, 4, 5]


def test_names_of_fields_have_no_case() -> None:
    head = Head.of(b"HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: gzip, Chunked\r\nContent-Length: 3")
    assert (head.status, head.chunked, head.length) == (200, True, None)
    head = Head.of(b"HTTP/1.1 404 Not Found\r\nX-Name:  a: b \r\n content-LENGTH : 3")
    assert head.fields == {"x-name": "a: b", "content-length": "3"}
    assert (head.status, head.chunked, head.length) == (404, False, 3)
    assert Head.of(b"HTTP/1.1 200 OK").length is None


def event(**delta: object) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = (
    b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,'
    b'"prompt_tokens_details":{"cached_tokens":4}}}\n\n'
)
DONE = b"data: [DONE]\n\n"


def kinds(events: Sequence[TokenEvent]) -> list[tuple[TokenKind, str]]:
    return [(one.kind, one.text) for one in events]


def test_tokens_are_content_reasoning_and_tool_calls_that_are_not_empty() -> None:
    call = {"index": 0, "function": {"name": "f", "arguments": ""}}
    body = b"".join(
        [
            event(role="assistant", content=""),
            event(role="assistant", content=None),
            event(reasoning_content="hm"),
            event(reasoning="so", reasoning_content="so"),
            event(content="a"),
            event(tool_calls=[]),
            event(tool_calls=[call]),
            FINISH,
            USAGE,
            DONE,
        ]
    )
    answer = openai_answer(body)
    assert kinds(answer.events) == [
        (REASONING, "hm"),
        (REASONING, "so"),
        (CONTENT, "a"),
        (TokenKind.TOOL_CALL, json.dumps([call])),
    ]
    assert (answer.finished, answer.error) == (True, "")
    assert (answer.prompt_tokens, answer.output_tokens, answer.cached_tokens) == (9, 2, 4)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_lines_of_events_may_have_any_end(end: bytes) -> None:
    body = (b": ping\n\nevent: message\n" + event(content="a") + event(content="b") + FINISH).replace(
        b"\n", end
    )
    answer = openai_answer(body)
    assert [one.text for one in answer.events] == ["a", "b"]
    # There with the blank line after it, which is what ends an event.
    assert [body[: one.end].count(end + end) for one in answer.events] == [2, 3]
    assert all(body[: one.end].endswith(end + end) for one in answer.events)


def test_data_may_have_several_lines_and_an_event_without_its_end_is_none() -> None:
    body = b'data: {"choices":[{"delta":\ndata: {"content":"a"}}]}\n\n' + event(content="b")
    assert [one.text for one in openai_answer(body).events] == ["a", "b"]
    assert [one.text for one in openai_answer(body[:-1]).events] == ["a"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            event(content="a") + b'data: {"error":{"message":"out of memory"}}\n\n' + DONE,
            "error event: out of memory",
        ),
        (b'data: {"error":"gone"}\n\ndata: {"error":"again"}\n\n', "error event: gone"),
        (b'event: error\ndata: {"code":500}\n\n', 'error event: {"code": 500}'),
        (b"data: overloaded\n\n", "unreadable event: b'overloaded'"),
        (b'data: ["a"]\n\n', "unreadable event"),
        (b'data: {"choices":["a"]}\n\n', "unreadable event"),
        (b'data: {"choices":3}\n\n', "unreadable event"),
        (b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n', "unreadable event"),
    ],
)
def test_an_error_in_a_stream_is_found(body: bytes, error: str) -> None:
    assert openai_answer(body).error.startswith(error)


def test_an_ollama_stream() -> None:
    lines = [
        {"message": {"content": ""}, "done": False},
        {"message": {"content": "", "thinking": "hm"}, "done": False},
        {"message": {"content": "a"}, "done": False},
        {"message": {"content": ""}, "done": True, "prompt_eval_count": 9, "eval_count": 2},
    ]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    answer = ollama_answer(body)
    assert kinds(answer.events) == [(REASONING, "hm"), (CONTENT, "a")]
    assert [body[: one.end].count(b"\n") for one in answer.events] == [2, 3]
    assert (answer.finished, answer.prompt_tokens, answer.output_tokens) == (True, 9, 2)
    assert answer.cached_tokens is None
    assert ollama_answer(b'{"error":"model not found"}\n').error == "error event: model not found"
    assert not ollama_answer(body[:-1]).finished
