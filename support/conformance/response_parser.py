"""A response, layer by layer: framing of the raw bytes, strict JSON, the document that cases look at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from support.http.exchange import Exchange, NotJson, strict_json
from support.http.framing import (
    DONE,
    Event,
    FramingError,
    parse_events,
    require_closed,
    split_lines,
    stream_state,
)
from support.units import Json, JsonMapping

MEDIA_TYPES = {
    "json": "application/json",
    "sse": "text/event-stream",
    "ndjson": "application/x-ndjson",
    "text": "text/plain",
}
_CHARSET = re.compile(r';\s*charset="?([^\s;"]+)', re.IGNORECASE)


def stream_kind(path: str) -> Literal["sse", "ndjson"]:
    """How a route frames its streams: Ollama's own ones as lines, all others as server-sent events."""
    return "ndjson" if path.startswith("/api/") else "sse"


class ConformanceError(AssertionError):
    """A response is wrong; `layer` is where: status, framing, JSON, contract, ...

    `details`: all parts of `actual`, which may show some only.
    """

    def __init__(self, layer: str, actual: str, details: Sequence[str] = ()) -> None:
        super().__init__(f"{layer}: {actual}")
        self.layer = layer
        self.actual = actual
        self.details = tuple(details)


@dataclass(frozen=True)
class Chunk:
    """One JSON document of a response: its bytes, its value, and the seconds until it was complete."""

    raw: bytes
    value: Json
    elapsed: float
    event_name: str = "message"


@dataclass(frozen=True)
class ParsedResponse:
    """A parsed response. `chunks`: one for a non-streamed response, else one for each chunk of the stream."""

    exchange: Exchange
    kind: str
    chunks: tuple[Chunk, ...] = field(default=())

    @property
    def streamed(self) -> bool:
        return self.kind in ("sse", "ndjson")

    @property
    def values(self) -> list[Json]:
        return [chunk.value for chunk in self.chunks]

    def document(self, normalized: JsonMapping) -> Json:
        """The document for JMESPath: the JSON; of a stream {chunks, last, text}; of a text {text}."""
        if self.streamed:
            return {"chunks": self.values, "last": self.values[-1] if self.chunks else None, **normalized}
        if self.kind == "text":
            return {"text": self.exchange.text}
        return self.chunks[0].value if self.chunks else None


def parse(exchange: Exchange, kind: str, *, ends_with_done: bool | None) -> ParsedResponse:
    """Parse a response of this kind; raises `ConformanceError` (framing or JSON).

    `ends_with_done`: whether events end with `[DONE]`; None: they may.
    """
    if kind in MEDIA_TYPES and exchange.content_type != MEDIA_TYPES[kind]:
        raise ConformanceError(
            "framing", f"expected {MEDIA_TYPES[kind]}, got {exchange.content_type or '(no content type)'}"
        )
    charset = _CHARSET.search(exchange.headers.get("content-type", ""))
    if kind in ("json", "sse", "ndjson") and charset is not None and charset[1].lower() != "utf-8":
        raise ConformanceError("framing", f"JSON is UTF-8 (RFC 8259, 8.1), the content type has {charset[0]}")
    if kind == "empty" and exchange.body:
        raise ConformanceError("framing", f"expected no body, got {exchange.text[:200]!r}")
    try:
        chunks = tuple(_chunks(exchange, kind, ends_with_done=ends_with_done))
        if kind in ("sse", "ndjson"):
            require_closed(exchange)
    except FramingError as error:
        raise ConformanceError("framing", str(error)) from None
    except NotJson as error:
        raise ConformanceError("JSON", str(error)) from None
    return ParsedResponse(exchange, kind, chunks)


def _chunks(exchange: Exchange, kind: str, *, ends_with_done: bool | None) -> Iterator[Chunk]:
    """The JSON documents; raises `FramingError` and `NotJson`."""
    where = f"{exchange.method} {exchange.url}"
    if kind == "json":
        yield Chunk(exchange.body, strict_json(exchange.body, where), exchange.seconds)
    position = 0
    lines = split_lines(exchange.body) if kind == "ndjson" else ()
    for number, line in enumerate(lines, 1):
        position += len(line) + 1
        value = strict_json(line, f"{where}, line {number} of {len(lines)}")
        yield Chunk(line, value, exchange.arrival_time(position))
    events = _events(exchange, ends_with_done=ends_with_done) if kind == "sse" else ()
    for number, event in enumerate(events, 1):
        raw = event.data.encode()
        # An event has been received with the last line of its data.
        last_line = raw.rpartition(b"\n")[2]
        position = exchange.body.index(last_line, position) + len(last_line)
        value = strict_json(raw, f"{where}, event {number} of {len(events)}")
        yield Chunk(raw, value, exchange.arrival_time(position), event.name)


def _events(exchange: Exchange, *, ends_with_done: bool | None) -> list[Event]:
    """The events without `[DONE]` (once, and last); raises `FramingError`."""
    events = parse_events(exchange.body)
    if not events:
        state, _ = stream_state(exchange.body)
        raise FramingError(f"a stream without any event{state.removeprefix('no event')}")
    data = [event.data for event in events]
    if not (ends_with_done or (ends_with_done is None and DONE in data)):
        return events
    if data[-1] != DONE or data.count(DONE) != 1:
        last = [text[:80] for text in data[-3:]]
        raise FramingError(f"a stream ends with exactly one {DONE}; its last of {len(data)} events: {last}")
    return events[:-1]
