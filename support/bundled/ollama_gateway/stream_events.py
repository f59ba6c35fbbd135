"""The upstream's stream: server-sent events out of bytes, and what stands in each event."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from support.bundled.ollama_gateway.errors import ApiError, error_message, is_client_error
from support.bundled.ollama_gateway.json_types import JsonObject

EVENT_LIMIT = 16 * 1024 * 1024
DONE = b"[DONE]"


class SseDecoder:
    """Server-sent events out of a byte stream: the `data` of unnamed events; comments are left out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, part: bytes) -> list[bytes]:
        """The events that this part completes."""
        text = self._rest + part if self._rest else part
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n")
        *blocks, self._rest = text.split(b"\n\n")
        if len(self._rest) > EVENT_LIMIT:
            raise ApiError(502, "the target sent an event without an end")
        return [data for block in blocks if (data := _data(block)) is not None]


def _data(block: bytes) -> bytes | None:
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    data = []
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        # Events with a name are mistral.rs' reports on its own tools.
        if name == b"event" and value not in (b"message", b"error"):
            return None
        if name == b"data":
            data.append(value)
    return b"\n".join(data) if data else None


class Delta(msgspec.Struct):
    """What an event adds to an answer."""

    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[JsonObject] | None = None


class Choice(msgspec.Struct):
    """The one answer of a stream: a chat has a `delta`, a raw prompt's has a `text`."""

    delta: Delta | None = None
    text: str | None = None
    logprobs: JsonObject | None = None
    finish_reason: str | None = None


class Event(msgspec.Struct):
    """One event of the upstream's stream; other members are ignored."""

    choices: list[Choice] | None
    usage: JsonObject | None = None


_decode_event = msgspec.json.Decoder(Event).decode


def parse_event(data: bytes) -> Event:
    """Raises `ApiError` for an error event: OpenAI's object, or the bare text of mistral.rs 0.8.1."""
    try:
        event = _decode_event(data)
    except msgspec.DecodeError:
        raise stream_error(error_message(data)) from None
    if event.choices is None:
        raise stream_error(error_message(data))
    return event


def stream_error(message: str) -> ApiError:
    """An error inside a stream has no status: 400 when the message blames the request, else 500."""
    if message.lower().startswith("invalid grammar"):
        # Ollama's message, and its status.
        return ApiError(500, f"invalid JSON schema in format: {message}")
    status = 400 if is_client_error(message) else 500
    return ApiError(status, message or "the target failed without an error message")


def logprob_entries(logprobs: JsonObject) -> list[JsonObject]:
    """Ollama's entries of OpenAI's `{"content": [...]}`, or of the bare object in mistral.rs' streams."""
    content = logprobs.get("content")
    entries: Sequence[JsonObject] = content if isinstance(content, list) else [logprobs]
    return [_logprob_entry(entry) for entry in entries]


def _logprob_entry(entry: JsonObject) -> JsonObject:
    alternatives = entry.get("top_logprobs")
    if not alternatives:
        return _token(entry)
    return {**_token(entry), "top_logprobs": [_token(other) for other in alternatives]}


def _token(entry: JsonObject) -> JsonObject:
    """mistral.rs gives alternatives as token ids; their text is in `bytes`, which 0.8.1 sends as a text."""
    token, raw = entry.get("token"), entry.get("bytes")
    if isinstance(token, str):
        text = token
    elif isinstance(raw, list):
        text = bytes(raw).decode("utf-8", "replace")
    else:
        text = raw if isinstance(raw, str) else str(token)
    return {
        "token": text,
        "logprob": entry.get("logprob"),
        "bytes": raw if isinstance(raw, list) else list(text.encode(errors="replace")),
    }
