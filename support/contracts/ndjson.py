"""Newline-delimited JSON, read from raw bytes so that no client hides a broken line."""

from __future__ import annotations


class BadLines(AssertionError):
    """The bytes are not one JSON document for each line."""


def parse_lines(body: bytes) -> list[bytes]:
    """The lines of a complete body, without their ends. Raises `BadLines`: no last line end, empty line."""
    if not body:
        raise BadLines("a stream without any line")
    if not body.endswith(b"\n"):
        raise BadLines(f"the last line has no end: {body[-80:]!r}")
    lines = body[:-1].split(b"\n")
    for line in lines:
        if not line.strip():
            raise BadLines("an empty line in the stream")
        if line.startswith(b"data:"):
            raise BadLines(f"a line of server-sent events: {line[:80]!r}")
    return lines
