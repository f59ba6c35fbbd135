"""Newline-delimited JSON (ndjson.org, as Ollama streams it), read from raw bytes with times of arrival.

The official client reads lines leniently: it takes a stream without an end and lines after the end. This
reader takes neither blank lines nor anything but one JSON object to a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from support.http.exchange import NotJson, strict_json
from support.units import JsonObject

Chunks = Sequence[tuple[float, bytes]]


class NdjsonError(AssertionError):
    """The bytes are not one JSON object to a line, each with its line end."""


@dataclass(frozen=True)
class Line:
    """One line: its bytes without the end, what they say, and after how many seconds its end had come."""

    raw: bytes
    value: JsonObject
    after: float = 0.0


def split_lines(body: bytes) -> list[bytes]:
    """The lines of a complete body without their ends.

    Raises `NdjsonError`: no line, a last line without its end, a blank line, a frame of another protocol.
    """
    if not body:
        raise NdjsonError("a stream without any line")
    if not body.endswith(b"\n"):
        raise NdjsonError(f"the last line is not ended: {body[-80:]!r}")
    lines = body[:-1].split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise NdjsonError(f"line {number} of {len(lines)} is blank")
        if line.startswith((b"data:", b"event:")):
            raise NdjsonError(f"line {number} is a server-sent event: {line[:80]!r}")
    return lines


def parse_lines(body: bytes, chunks: Chunks = ()) -> list[Line]:
    """The lines of a complete body. `chunks`: the reads it came in, for the times.

    Raises `NdjsonError` for the framing, `NotJson` for a line that is no strict JSON.
    """
    found, position = [], 0
    for number, raw in enumerate(split_lines(body), 1):
        position += len(raw) + 1
        value = strict_json(raw, f"line {number}")
        if not isinstance(value, dict):
            raise NotJson(f"line {number}: expected a JSON object, got {raw[:80]!r}")
        found.append(Line(raw, value, arrival_time(chunks, position)))
    return found


def arrival_time(chunks: Chunks, position: int) -> float:
    """Seconds until so many bytes had come; 0 where no times are known."""
    come = 0
    for moment, chunk in chunks:
        come += len(chunk)
        if come >= position:
            return moment
    return 0.0
