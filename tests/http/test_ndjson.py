"""Lines of JSON: what is one, when it came, and every way to break the framing."""

from __future__ import annotations

import pytest

from support.http.exchange import NotJson
from support.http.ndjson import NdjsonError, parse_lines, split_lines


def test_each_line_is_an_object_with_the_time_of_its_end() -> None:
    chunks = [(0.1, b'{"a"'), (0.2, b': 1}\n{"b": 2}'), (0.3, b"\n")]
    lines = parse_lines(b"".join(chunk for _, chunk in chunks), chunks)
    assert [line.value for line in lines] == [{"a": 1}, {"b": 2}]
    assert [line.after for line in lines] == [0.2, 0.3]
    assert lines[0].raw == b'{"a": 1}'


def test_a_line_separator_of_unicode_is_no_line_end() -> None:
    assert [line.value for line in parse_lines('{"a": "x\u2028y"}\n'.encode())] == [{"a": "x\u2028y"}]


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
def test_a_broken_frame_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(NdjsonError, match=words):
        split_lines(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": NaN}\n',
        b'{"a": 1, "a": 2}\n',
        b'{"a": 1} {"b": 2}\n',
        b'{"a": "\xff"}\n',
        b"[1]\n",
        b'"text"\n',
        b"{\n",
    ],
    ids=repr,
)
def test_a_line_that_is_no_strict_object_is_refused(body: bytes) -> None:
    with pytest.raises(NotJson, match="line 1"):
        parse_lines(body)
