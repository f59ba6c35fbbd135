"""Changes of documents and of streams, as the catalogue has them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.fault_injection.event_changes import EventStream
from support.fault_injection.json_changes import apply, values

ANSWER = {"usage": {"total": 3}, "choices": [{"index": 0, "text": "a b"}, {"index": 1, "text": "c"}]}
CHANGES: list[tuple[dict[str, Any], str, list[Any]]] = [
    ({"add": "usage.total", "by": 1}, "usage.total", [4]),
    ({"multiply": "usage.total", "by": 0.5}, "usage.total", [1.5]),
    ({"multiply": "usage.total", "by": 0.5, "whole": True}, "usage.total", [2]),
    ({"set": "usage.total"}, "usage.total", [None]),
    ({"set": "choices.*.index", "to": 0}, "choices.*.index", [0, 0]),
    ({"drop": "choices.0"}, "choices.*.index", [1]),
    ({"drop": "choices.-1"}, "choices.*.index", [0]),
    ({"drop": "choices.*.index"}, "choices.*.index", []),
    ({"convert": "usage.total", "to": "text"}, "usage.total", ["3"]),
    ({"convert": "usage.total", "to": "list"}, "usage.total", [[3]]),
    ({"substitute": "choices.*.text", "pattern": "^a ", "by": ""}, "choices.*.text", ["b", "c"]),
    ({"rename": "usage.total", "to": "all"}, "usage.all", [3]),
    ({"reverse": "choices"}, "choices.*.index", [1, 0]),
    ({"keep": "choices", "number": 1}, "choices.*.index", [0]),
    ({"keep": "choices", "number": -1}, "choices.*.index", [1]),
    ({"copy": "choices.0.text", "to": "choices.*.text"}, "choices.*.text", ["a b", "a b"]),
    ({"wrap": "error"}, "error.usage.total", [3]),
    ({"shuffle_keys": True}, "usage.total", [3]),
]


@pytest.mark.parametrize(("change", "path", "expected"), CHANGES, ids=lambda value: str(value)[:40])
def test_each_change_of_a_document(change: dict[str, Any], path: str, expected: list[Any]) -> None:
    document = json.loads(json.dumps(ANSWER))
    apply(document, change)
    assert values(document, path) == expected


@pytest.mark.parametrize("path", ["absent", "absent.0", "usage.absent", "choices.7", "usage.total.x"])
def test_what_a_document_lacks_is_left_alone(path: str) -> None:
    document = json.loads(json.dumps(ANSWER))
    for name in ("add", "drop", "convert", "substitute", "rename", "reverse", "repeat", "keep", "copy"):
        apply(document, {name: path, "by": 1, "to": "text", "pattern": "x", "times": 2, "number": 1})
    assert document == ANSWER


@pytest.mark.parametrize(
    "change", [{"reverse": "calls"}, {"keep": "calls", "number": 1}, {"repeat": "calls", "times": 2}]
)
def test_a_null_in_place_of_a_list_is_left_alone(change: dict[str, Any]) -> None:
    document = {"calls": None}
    apply(document, change)
    assert document == {"calls": None}


def event(text: str) -> bytes:
    return b'data: {"choices":[{"delta":{"content":"%s"},"finish_reason":null}]}\n\n' % text.encode()


END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
STREAM = event("a") + event("b") + event("c") + END + b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"event": "drop", "only": "done"}, STREAM.removesuffix(b"data: [DONE]\n\n")),
        ({"event": "drop", "only": "last"}, STREAM.replace(END, b"")),
        ({"event": "drop", "only": "content 1"}, STREAM.replace(event("b"), b"")),
        ({"event": "twice", "only": "content 0"}, event("a") + STREAM),
        ({"event": "hold", "only": "content 0"}, event("b") + event("a") + STREAM[len(event("a") * 2) :]),
        ({"event": "before", "bytes": "x\n\n", "only": "first"}, b"x\n\n" + STREAM),
        ({"event": "after", "bytes": "x\n\n", "only": "done"}, STREAM + b"x\n\n"),
        ({"framing": "^data: ", "by": "data:"}, STREAM.replace(b"data: ", b"data:")),
        ({"set": "choices.*.finish_reason", "to": "", "only": 1}, None),
    ],
)
def test_each_change_of_a_stream(change: dict[str, Any], expected: bytes | None) -> None:
    """In whatever parts it comes."""
    if expected is None:
        expected = STREAM.replace(event("b"), event("b").replace(b"null", b'""'))
    for size in (1, 7, len(STREAM)):
        stream = EventStream([change], "text/event-stream")
        parts = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
        found = [piece for part in parts for piece in stream.feed(part)] + stream.finish()
        assert b"".join(found) == expected
        assert stream.is_changed


def test_a_held_event_that_no_other_follows_is_no_change() -> None:
    stream = EventStream([{"event": "hold", "only": "done"}], "text/event-stream")
    assert b"".join([*stream.feed(STREAM), *stream.finish()]) == STREAM
    assert not stream.is_changed


def test_lines_of_ndjson_are_events() -> None:
    stream = EventStream([{"drop": "eval_count", "only": "last"}], "application/x-ndjson")
    assert stream.feed(b'{"done":false,"eval_count":1}\n{"done":true,"eval_count":2}\n') == [
        b'{"done":false,"eval_count":1}\n',
        b'{"done":true}\n',
    ]
