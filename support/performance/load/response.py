"""What arrived for a request as an HTTP/1.1 response (RFC 9112), and when each part of its body was there."""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

HEAD_END = b"\r\n\r\n"
# The last chunk, with the end of the line before it. Trailer fields would stand inside; a server sends them
# only to who has asked for them (RFC 9110, 6.5.1).
LAST_CHUNK = b"\r\n0\r\n\r\n"
_TAIL_BYTES = len(LAST_CHUNK)
# What Python reads as a number beside it (a sign, an underscore) is no size of a chunk.
_SIZE = re.compile(rb"[0-9A-Fa-f]+")


class MalformedResponse(ValueError):
    """The bytes are no HTTP response."""


@dataclass(frozen=True)
class Head:
    """Status and fields; the names of fields in lower case."""

    status: int
    fields: Mapping[str, str]

    @staticmethod
    def of(data: bytes) -> Head:
        """Raises `MalformedResponse`."""
        first, *lines = data.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdecimal():
            raise MalformedResponse(f"no status line: {first[:80]!r}")
        parts = (line.partition(":") for line in lines)
        return Head(int(words[1]), {name.strip().lower(): value.strip() for name, _, value in parts})

    @property
    def chunked(self) -> bool:
        return self.fields.get("transfer-encoding", "").lower().endswith("chunked")

    @property
    def length(self) -> int | None:
        """Of the body in bytes, where it is stated."""
        stated = self.fields.get("content-length", "")
        return int(stated) if stated.isdecimal() and not self.chunked else None


class ResponseEnd:
    """Finds the end of a response as its bytes arrive, with as little work as possible for each read."""

    def __init__(self) -> None:
        self.keeps_connection = True
        # Neither chunked nor of a stated length: it ends with the connection.
        self.is_end_of_connection = False
        self._head = b""
        self._tail: bytes | None = None
        self._left = 0

    def is_in(self, data: bytes) -> bool:
        """Whether these bytes complete it."""
        if self._tail is not None:
            # The usual read: part of a chunked body.
            if data.endswith(LAST_CHUNK):
                return True
            self._tail = (self._tail + data)[-_TAIL_BYTES:]
            return self._tail == LAST_CHUNK
        if self._left:
            self._left -= len(data)
            return self._left <= 0
        return not self.is_end_of_connection and self._ends_with_head(data)

    def _ends_with_head(self, data: bytes) -> bool:
        self._head += data
        end = self._head.find(HEAD_END)
        if end < 0:
            return False
        try:
            head = Head.of(self._head[:end])
        except MalformedResponse:
            # There is nothing to wait for.
            self.keeps_connection = False
            return True
        self.keeps_connection = head.fields.get("connection", "").lower() != "close"
        body = self._head[end + len(HEAD_END) :]
        if head.chunked:
            self._tail = b"\r\n"
            return self.is_in(body)
        if head.length is None:
            self.is_end_of_connection = True
            return False
        self._left = head.length - len(body)
        return self._left <= 0


@dataclass(frozen=True)
class Response:
    """`arrivals`: how many bytes of the body were there with each read, and the time of that read.

    `complete`: the framing has come to its end.
    """

    status: int
    body: bytes
    arrivals: tuple[Sequence[int], Sequence[int]]
    complete: bool

    def arrival(self, end: int) -> int:
        """When the first `end` bytes of the body were there."""
        lengths, times = self.arrivals
        return times[bisect_left(lengths, end)]

    def read_number(self, end: int) -> int:
        """Which read brought the last one of the first `end` bytes."""
        return bisect_left(self.arrivals[0], end)


def read_response(pieces: Sequence[bytes], times: Sequence[int]) -> Response:
    """The response in these reads, also one that broke off. Raises `MalformedResponse`."""
    data = b"".join(pieces)
    end = data.find(HEAD_END)
    if end < 0:
        raise MalformedResponse(f"no end of the head: {data[:80]!r}")
    head, start = Head.of(data[:end]), end + len(HEAD_END)
    if head.chunked:
        chunks, complete = _chunks(data, start)
    else:
        chunks = [(start, len(data))]
        complete = head.length is None or len(data) - start >= head.length
    return Response(
        head.status,
        b"".join(data[first:last] for first, last in chunks),
        (list(_body_lengths(chunks, itertools.accumulate(map(len, pieces)))), times),
        complete,
    )


def _chunks(data: bytes, position: int) -> tuple[list[tuple[int, int]], bool]:
    """Where the payload of each chunk begins and ends, and whether there is a last one."""
    found: list[tuple[int, int]] = []
    while (line_end := data.find(b"\r\n", position)) >= 0:
        # Extensions may follow a size.
        size_text = data[position:line_end].partition(b";")[0].strip()
        if _SIZE.fullmatch(size_text) is None:
            raise MalformedResponse(f"no size of a chunk: {size_text[:80]!r}")
        size = int(size_text, 16)
        if size == 0:
            return found, True
        start = line_end + 2
        found.append((start, min(start + size, len(data))))
        position = start + size + 2
    return found, False


def _body_lengths(chunks: Sequence[tuple[int, int]], read_ends: Iterator[int]) -> Iterator[int]:
    """How many bytes of the body are in the first so many bytes of the response, for each read."""
    number = before = 0
    for read_end in read_ends:
        while number < len(chunks) and chunks[number][1] <= read_end:
            before += chunks[number][1] - chunks[number][0]
            number += 1
        part = max(0, read_end - chunks[number][0]) if number < len(chunks) else 0
        yield before + part
