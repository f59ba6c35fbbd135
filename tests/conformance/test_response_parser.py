"""A response is read layer by layer: its type, its framing, its JSON, and when each document was there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from support.conformance.response_parser import Chunk, ConformanceError, ParsedResponse, parse, stream_kind
from support.http.exchange import Exchange

JSON, EVENTS, LINES = "application/json", "text/event-stream", "application/x-ndjson"
DONE = b"data: [DONE]\n\n"


def response(*reads: bytes, content_type: str = "") -> Exchange:
    """Each read a tenth of a second after the one before."""
    return Exchange(
        method="POST",
        url="http://127.0.0.1:1/v1/toy",
        request_headers={},
        request_body=b"",
        status=200,
        headers={"content-type": content_type} if content_type else {},
        body=b"".join(reads),
        seconds=1.0,
        chunks=tuple((number / 10, read) for number, read in enumerate(reads, 1)),
    )


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/api/chat", "ndjson"), ("/api", "sse"), ("/v1/chat/completions", "sse"), ("/v1/api/chat", "sse")],
)
def test_streams_of_ollama_are_lines_and_all_others_events(path: str, kind: str) -> None:
    assert stream_kind(path) == kind


@pytest.mark.parametrize(
    ("answer", "kind", "chunks"),
    [
        (response(b'{"a"', b": 1}", content_type=JSON), "json", (Chunk(b'{"a": 1}', {"a": 1}, 1.0),)),
        (
            response(b'{"a": 1}\n{"a', b'": 2}\n', b'{"a": 3}', b"\n", content_type=LINES),
            "ndjson",
            (
                Chunk(b'{"a": 1}', {"a": 1}, 0.1),
                Chunk(b'{"a": 2}', {"a": 2}, 0.2),
                Chunk(b'{"a": 3}', {"a": 3}, 0.4),
            ),
        ),
        (
            response(b"data: 1\n\nevent: b\nda", b"ta: [\ndata: 1]", b"\n\ndata: 1\n\n", content_type=EVENTS),
            "sse",
            (
                Chunk(b"1", 1, 0.1),
                Chunk(b"[\n1]", [1], 0.2, "b"),
                Chunk(b"1", 1, 0.3),
            ),
        ),
        (response(b"data: 1\n\n", DONE, content_type=EVENTS), "sse", (Chunk(b"1", 1, 0.1),)),
        (response(b"a: b", content_type="text/plain; charset=latin-1"), "text", ()),
        (response(), "empty", ()),
        (response(b"anything"), "any", ()),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_each_document_has_its_bytes_and_the_time_of_the_last_one(
    answer: Exchange, kind: str, chunks: tuple[Chunk, ...]
) -> None:
    parsed = parse(answer, kind, ends_with_done=None)
    assert parsed == ParsedResponse(answer, kind, chunks)


@pytest.mark.parametrize(
    ("answer", "kind", "document", "streamed"),
    [
        (response(b'{"a": 1}', content_type=JSON), "json", {"a": 1}, False),
        (
            response(b"1\n2\n3\n", content_type=LINES),
            "ndjson",
            {"chunks": [1, 2, 3], "last": 3, "text": "own"},
            True,
        ),
        (response(DONE, content_type=EVENTS), "sse", {"chunks": [], "last": None, "text": "own"}, True),
        (response(b"a: b", content_type="text/plain"), "text", {"text": "a: b"}, False),
        (response(), "empty", None, False),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_expectations_look_at_one_document(
    answer: Exchange, kind: str, document: Any, *, streamed: bool
) -> None:
    parsed = parse(answer, kind, ends_with_done=None)
    assert parsed.streamed is streamed
    assert parsed.document({"text": "own"}) == document


LONG = "x" * 201
AT = "POST http://127.0.0.1:1/v1/toy"
NO_VALUE = "expected JSON: Expecting value: line 1 column 1 (char 0); got 'cut'"


@pytest.mark.parametrize(
    ("answer", "kind", "layer", "message"),
    [
        (response(b"{}", content_type="text/html"), "json", "framing", f"expected {JSON}, got text/html"),
        (response(b"{}"), "sse", "framing", f"expected {EVENTS}, got (no content type)"),
        (response(b"cut", content_type=JSON), "json", "JSON", f"{AT}: {NO_VALUE}"),
        (
            response(b"{}\ncut\n{}\n", content_type=LINES),
            "ndjson",
            "JSON",
            f"{AT}, line 2 of 3: {NO_VALUE}",
        ),
        (
            response(b"data: {}\n\ndata: cut\n\n", DONE, content_type=EVENTS),
            "sse",
            "JSON",
            f"{AT}, event 2 of 2: {NO_VALUE}",
        ),
        (response(b"{}", content_type=LINES), "ndjson", "framing", "the last line is not ended: b'{}'"),
        (response(b"body"), "empty", "framing", "expected no body, got 'body'"),
        (response(LONG.encode()), "empty", "framing", f"expected no body, got '{LONG[:200]}'"),
        (response(content_type=EVENTS), "sse", "framing", "a stream without any event"),
        (
            response(b": a\n\n", content_type=EVENTS),
            "sse",
            "framing",
            "a stream without any event, only 1 comment",
        ),
    ],
    ids=lambda one: "" if isinstance(one, Exchange) else one[:40],
)
def test_a_wrong_response_is_described_with_its_layer(
    answer: Exchange, kind: str, layer: str, message: str
) -> None:
    with pytest.raises(ConformanceError) as caught:
        parse(answer, kind, ends_with_done=None)
    error = caught.value
    assert (error.layer, error.actual, error.details) == (layer, message, ())
    assert str(error) == f"{layer}: {message}"


@pytest.mark.parametrize(
    ("kind", "content_type", "body"), [("ndjson", LINES, b'{"done": true}\n'), ("sse", EVENTS, DONE)]
)
def test_a_stream_that_stays_open_is_wrong_in_its_framing(kind: str, content_type: str, body: bytes) -> None:
    answer = replace(response(body, content_type=content_type), seconds=9.0)
    with pytest.raises(ConformanceError, match=r"^framing: .* then the server left it open for 8\.9 s$"):
        parse(answer, kind, ends_with_done=None)


@pytest.mark.parametrize(
    ("kind", "content_type", "body"),
    [("json", JSON, b"{}"), ("ndjson", LINES, b"{}\n"), ("sse", EVENTS, DONE)],
)
def test_json_is_utf_8_in_every_framing(kind: str, content_type: str, body: bytes) -> None:
    parse(response(body, content_type=f'{content_type}; a=b; Charset="UTF-8"'), kind, ends_with_done=None)
    with pytest.raises(ConformanceError) as caught:
        parse(response(body, content_type=f"{content_type}; charset=latin-1"), kind, ends_with_done=None)
    assert str(caught.value) == (
        "framing: JSON is UTF-8 (RFC 8259, 8.1), the content type has ; charset=latin-1"
    )


@pytest.mark.parametrize(
    ("data", "ends_with_done", "values", "last"),
    [
        (["1", "[DONE]"], True, [1], None),
        (["1", "[DONE]"], None, [1], None),
        (["1"], None, [1], None),
        (["1"], False, [1], None),
        (["1"], True, None, ["1"]),
        (["1", "[DONE]", "2"], None, None, ["1", "[DONE]", "2"]),
        (["1", "[DONE]", "[DONE]"], True, None, ["1", "[DONE]", "[DONE]"]),
        (["1", "2", f'"{LONG}"', "[DONE]", "3"], None, None, [f'"{LONG[:79]}', "[DONE]", "3"]),
    ],
    ids=repr,
)
def test_done_stands_once_and_last(
    data: list[str], *, ends_with_done: bool | None, values: list[int] | None, last: list[str] | None
) -> None:
    answer = response("".join(f"data: {one}\n\n" for one in data).encode(), content_type=EVENTS)
    if values is not None:
        assert parse(answer, "sse", ends_with_done=ends_with_done).values == values
        return
    with pytest.raises(ConformanceError) as caught:
        parse(answer, "sse", ends_with_done=ends_with_done)
    assert caught.value.actual == (
        f"a stream ends with exactly one [DONE]; its last of {len(data)} events: {last}"
    )
