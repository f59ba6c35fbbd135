"""Frames of streams, read from raw bytes so that no client hides a broken one.

Server-sent events: WHATWG HTML, 9.2. Newline-delimited JSON: ndjson.org, as Ollama streams it. Its client
accepts blank lines and a stream without an end; `split_lines` does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from support.http.exchange import Exchange
from support.results.safe_text import counted, one_line

DONE = "[DONE]"
STREAM_TYPES = ("text/event-stream", "application/x-ndjson")
# How long a server may leave a complete stream open, beside the time that the stream took: a busy machine
# delays both. mistral.rs 0.8.1 and Ollama 0.17.4 closed each of 78 streams within 0.02 s on a busy machine.
CLOSE_SECONDS = 2.0
# The last event of a stream, by the type of its data: Anthropic's API, then the Responses API.
_LAST_TYPES = ("message_stop", "response.completed", "response.incomplete", "response.failed")


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
        number = body[: error.start].count(b"\n\n") + 1
        raise FramingError(f"event {number} is not UTF-8: {error}") from None
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
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "":
            continue
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field not in ("id", "retry"):
            raise FramingError(f"event {len(events) + 1}: unknown field in line {line[:80]!r}")
    if data:
        number = len(events) + 1
        raise FramingError(f"the last event is not ended by a blank line: {data[-1][:80]!r} (event {number})")
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


def server_error(body: bytes) -> str:
    """The first error that the server itself sent in a stream, `server error in event 7: ...`, else empty.

    Any body is read as far as it is a stream: what is wrong with it is found elsewhere.
    """
    number, message, _ = _first_error(body)
    return f"server error in event {number}: {one_line(message, 200)}" if message else ""


def _first_error(body: bytes) -> tuple[int, str, int]:
    """Number and text of the first event with an error, and the bytes up to its end; "" for none."""
    position = 0
    for number, (name, data) in enumerate(_pieces(body), 1):
        last_line = data.rpartition("\n")[2].encode()
        position = max(position, body.find(last_line, position) + len(last_line))
        message = _error_message(name, data)
        if message:
            return number, message, position
    return 0, "", 0


def stream_state(body: bytes) -> tuple[str, int]:
    """How far a stream came that was not ended, and the bytes of it until then."""
    pieces = list(_pieces(body))
    if not pieces:
        comments = sum(line.startswith(b":") for line in body.splitlines())
        return (f"no event, only {counted(comments, 'comment')}" if comments else ""), len(body)
    last = pieces[-1][1]
    last_line = last.rpartition("\n")[2].encode()
    end = body.rfind(last_line) + len(last_line)
    done = f"complete, including {DONE}," if last == DONE else ""
    if not done and _is_last(last):
        done = "complete"
    return done or f"{counted(len(pieces), 'event')}, the last one", end


def completed_at(exchange: Exchange) -> tuple[str, float]:
    """The state of a complete stream, and the seconds until then; an empty state for any other response."""
    if exchange.content_type not in STREAM_TYPES:
        return "", 0.0
    state, position = stream_state(exchange.body)
    return (state, exchange.arrival_time(position)) if state.startswith("complete") else ("", 0.0)


def require_closed(exchange: Exchange) -> None:
    """Raises `FramingError` for a stream that stayed open after its end: clients read until it is closed.

    An error is an end as well, with `[DONE]` after it or not.
    """
    state, complete = completed_at(exchange)
    number, message, position = _first_error(exchange.body)
    if message and exchange.content_type in STREAM_TYPES:
        state, complete = f"ended by an error in event {number}", exchange.arrival_time(position)
    open_seconds = exchange.seconds - complete
    if state and open_seconds > complete + CLOSE_SECONDS:
        raise FramingError(
            f"the stream was {state} after {complete:.1f} s, then the server left it open "
            f"for {open_seconds:.1f} s"
        )


def _pieces(body: bytes) -> Iterator[tuple[str, str]]:
    """Name and data of each event or line, whatever is wrong with the stream."""
    text = body.decode(errors="replace").replace("\r\n", "\n")
    if text.lstrip().startswith("{"):
        yield from (("", line) for line in text.split("\n") if line.strip())
        return
    for block in text.split("\n\n"):
        fields = [line.partition(":") for line in block.split("\n")]
        data = [value.removeprefix(" ") for field, _, value in fields if field == "data"]
        names = [value.strip() for field, _, value in fields if field == "event"]
        if data:
            yield (names[-1] if names else ""), "\n".join(data)
        # A server that fails inside a stream may write a field of its own (llama.cpp), or a document alone.
        yield from ((field, value.strip()) for field, _, value in fields if field == "error" and value)
        yield from (("", line) for line in block.split("\n") if line.startswith("{"))


def _error_message(name: str, data: str) -> str:
    """The error object of one of the APIs, or a text that is no JSON."""
    try:
        document = json.loads(data)
    except ValueError:
        # mistral.rs 0.8.1 sends the message alone. What begins as JSON is broken JSON.
        return "" if data == DONE or data.lstrip()[:1] in ("{", "[", '"', "") else data
    if not isinstance(document, dict):
        return data if name == "error" else ""
    # The Responses API, and OpenAI's form of other servers, have the error one level below.
    choices = document.get("choices")
    places = [document, document.get("response"), *(choices if isinstance(choices, list) else ())]
    error = next((place["error"] for place in places if isinstance(place, dict) and place.get("error")), None)
    if not error and (name == "error" or "error" in (document.get("type"), document.get("object"))):
        error = document or "no message"
    if not error and set(document) <= {"detail", "message", "code", "status"}:
        # FastAPI, Go and Rust frameworks.
        texts = (document.get("detail"), document.get("message"))
        error = next((text for text in texts if isinstance(text, str)), None)
    if isinstance(error, dict):
        error = error.get("message") or json.dumps(error, ensure_ascii=False)
    return str(error or "")


def _is_last(data: str) -> bool:
    try:
        document = json.loads(data)
    except ValueError:
        return False
    if not isinstance(document, dict):
        return False
    return document.get("type") in _LAST_TYPES or document.get("done") is True
