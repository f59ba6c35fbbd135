"""The limit of what is read of a response: its bytes after decompression, and the pieces they come in.

For every client on httpx or httpx2: `limit_body` is called with a response before its body is read. The head
is limited by httpcore (100 kB).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

MAX_BODY_BYTES = 64_000_000
# Each is kept with its time, which takes 100 bytes more than the piece has.
MAX_PIECES = 500_000
# By these a piece of 64 kB becomes 66 MB at most (zlib, "Technical Details": 1032 to 1). Others have no such
# limit, nor has one within another.
_ENCODINGS = ("", "identity", "gzip", "x-gzip", "deflate")
# Sent with each request: an installed package would add others (zstandard, which LangChain requires).
ACCEPTED_ENCODINGS = {"accept-encoding": "gzip, deflate"}


class BodyTooLong(AssertionError):
    """A response has more than is read; the connection is of no use any more."""


class BodyLimit:
    """Counts what is read of one response."""

    def __init__(self, encoding: str) -> None:
        """`encoding`: the field Content-Encoding; raises `BodyTooLong` for one of unlimited compression."""
        if encoding.strip().lower() not in _ENCODINGS:
            raise BodyTooLong(
                f"the body was not read: its Content-Encoding is {encoding[:100]!r}, of unlimited compression"
            )
        self._bytes = self._pieces = 0

    def count(self, piece: bytes) -> None:
        """Raises `BodyTooLong` beyond a limit."""
        self._bytes += len(piece)
        self._pieces += 1
        if self._bytes > MAX_BODY_BYTES:
            raise BodyTooLong(
                f"the body has more than {MAX_BODY_BYTES / 1_000_000:g} MB, the rest was not read"
            )
        if self._pieces > MAX_PIECES:
            raise BodyTooLong(f"the body has more than {MAX_PIECES} pieces, the rest was not read")


def limit_body(response: Any) -> None:
    """All that reads the body of this response, as a whole or as a stream, reads within the limit."""
    limit = BodyLimit(response.headers.get("content-encoding", ""))
    read, read_async = response.iter_bytes, response.aiter_bytes

    def iter_bytes(chunk_size: int | None = None) -> Iterator[bytes]:
        for piece in read(chunk_size):
            limit.count(piece)
            yield piece

    async def aiter_bytes(chunk_size: int | None = None) -> AsyncIterator[bytes]:
        async for piece in read_async(chunk_size):
            limit.count(piece)
            yield piece

    response.iter_bytes, response.aiter_bytes = iter_bytes, aiter_bytes
