"""Frames of streams, read from raw bytes so that no client hides a broken one.

Server-sent events: WHATWG HTML, 9.2. Newline-delimited JSON: ndjson.org, as Ollama streams it. Its client
accepts blank lines and a stream without an end; `split_lines` does not.
"""

from __future__ import annotations

from dataclasses import dataclass


class FramingError(AssertionError):
    """The bytes are not a well-formed stream."""


@dataclass(frozen=True)
class Event:
    """One dispatched event: its data (lines joined with a line feed) and its name (default `message`)."""

    data: str
    name: str = "message"


def parse_events(body: bytes) -> list[Event]:
    """All events of a complete body; comments are skipped.

    Raises `FramingError` for wrong UTF-8, an unknown field, or a last event without its blank line.
    """
    try:
        # One byte order mark may stand in front.
        text = body.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise FramingError(f"not UTF-8: {error}") from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines[-1] == "":
        # What follows the last line end is no line, so no blank one either.
        lines.pop()
    events: list[Event] = []
    data: list[str] = []
    name = "message"
    for line in lines:
        if line == "":
            if data:
                events.append(Event("\n".join(data), name))
            data, name = [], "message"
            continue
        field, colon, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "" and colon:
            continue
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field not in ("id", "retry"):
            raise FramingError(f"unknown field in line {line[:80]!r}")
    if data:
        raise FramingError(f"the last event is not ended by a blank line: {data[-1][:80]!r}")
    return events


def split_lines(body: bytes) -> list[bytes]:
    """The lines of a complete body of newline-delimited JSON (ndjson.org), without their ends.

    Raises `FramingError`: no line, a last line without its end, a blank line, a frame of another protocol.
    """
    if not body:
        raise FramingError("a stream without any line")
    if not body.endswith(b"\n"):
        raise FramingError(f"the last line is not ended: {body[-80:]!r}")
    lines = body[:-1].split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise FramingError(f"line {number} of {len(lines)} is blank")
        if line.startswith((b"data:", b"event:")):
            raise FramingError(f"line {number} is a server-sent event: {line[:80]!r}")
    return lines
