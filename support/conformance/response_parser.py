"""A response, layer by layer: framing of the raw bytes, strict JSON, the document that cases look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from support.http.exchange import Exchange, NotJson, strict_json
from support.http.framing import Event, FramingError, parse_events, split_lines
from support.units import Json, JsonMapping

DONE = "[DONE]"
MEDIA_TYPES = {
    "json": "application/json",
    "sse": "text/event-stream",
    "ndjson": "application/x-ndjson",
    "text": "text/plain",
}


def stream_kind(path: str) -> Literal["sse", "ndjson"]:
    """How a route frames its streams: Ollama's own ones as lines, all others as server-sent events."""
    return "ndjson" if path.startswith("/api/") else "sse"


class ConformanceError(AssertionError):
    """A response is wrong; `layer` says where: status, framing, JSON, contract, ..."""

    def __init__(self, layer: str, actual: str) -> None:
        super().__init__(f"{layer}: {actual}")
        self.layer = layer
        self.actual = actual


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
    if kind == "empty" and exchange.body:
        raise ConformanceError("framing", f"expected no body, got {exchange.text[:200]!r}")
    readers: Mapping[str, Callable[[], Sequence[tuple[bytes, float, str]]]] = {
        "json": lambda: [(exchange.body, exchange.seconds, "message")],
        "sse": lambda: _events(exchange, ends_with_done=ends_with_done),
        "ndjson": lambda: _lines(exchange),
    }
    found = readers[kind]() if kind in readers else []
    try:
        pieces = tuple(
            Chunk(raw, strict_json(raw, f"{exchange.method} {exchange.url}"), after, name)
            for raw, after, name in found
        )
    except NotJson as error:
        raise ConformanceError("JSON", str(error)) from None
    return ParsedResponse(exchange, kind, pieces)


def _events(exchange: Exchange, *, ends_with_done: bool | None) -> list[tuple[bytes, float, str]]:
    """The data of the events and when each was complete, without `[DONE]` (once, and last)."""
    try:
        events = parse_events(exchange.body)
    except FramingError as error:
        raise ConformanceError("framing", str(error)) from None
    if not events:
        raise ConformanceError("framing", "a stream without any event")
    data = [event.data for event in events]
    if ends_with_done or (ends_with_done is None and DONE in data):
        if data[-1] != DONE or data.count(DONE) != 1:
            raise ConformanceError(
                "framing", f"a stream ends with exactly one {DONE}; its last events: {data[-3:]}"
            )
        events = events[:-1]
    times = _arrival_times(exchange, events)
    return [(event.data.encode(), after, event.name) for event, after in zip(events, times, strict=True)]


def _arrival_times(exchange: Exchange, events: Sequence[Event]) -> list[float]:
    """When the last byte of each event's data was received."""
    times, position = [], 0
    for event in events:
        last_line = event.data.rpartition("\n")[2].encode()
        position = exchange.body.index(last_line, position) + len(last_line)
        times.append(exchange.arrival_time(position))
    return times


def _lines(exchange: Exchange) -> list[tuple[bytes, float, str]]:
    try:
        lines = split_lines(exchange.body)
    except FramingError as error:
        raise ConformanceError("framing", str(error)) from None
    found, position = [], 0
    for line in lines:
        position += len(line) + 1
        found.append((line, exchange.arrival_time(position), "message"))
    return found
