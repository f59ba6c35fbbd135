"""Server-sent events (WHATWG HTML, 9.2), read from raw bytes so that no client hides a broken frame."""

from __future__ import annotations

from dataclasses import dataclass


class SseError(AssertionError):
    """The bytes are not a well-formed stream of events."""


@dataclass(frozen=True)
class Event:
    """One dispatched event: its data (lines joined with a line feed) and its name (default `message`)."""

    data: str
    name: str = "message"


def parse_events(body: bytes) -> list[Event]:
    """All events of a complete body; comments are skipped.

    Raises `SseError` for wrong UTF-8, an unknown field, or a last event without its blank line.
    """
    try:
        # One byte order mark may stand in front.
        text = body.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise SseError(f"not UTF-8: {error}") from None
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
            raise SseError(f"unknown field in line {line[:80]!r}")
    if data:
        raise SseError(f"the last event is not ended by a blank line: {data[-1][:80]!r}")
    return events
