"""Response bodies: the JSON shapes of mistral.rs 0.9."""

from __future__ import annotations

from collections.abc import Iterable

from support.bundled.reference_server.engine import ChoiceDelta, Chunk
from support.bundled.reference_server.json_fields import JsonObject

FINGERPRINT = "local"


def error(message: str, kind: str, code: str | None = None, param: str | None = None) -> JsonObject:
    """An error object of the OpenAI API."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _head(chunk: Chunk, kind: str, choices: list[JsonObject]) -> JsonObject:
    return {
        "id": chunk.id,
        "object": kind,
        "created": chunk.created,
        "model": chunk.model,
        "system_fingerprint": FINGERPRINT,
        "choices": choices,
    }


def chat_chunk(chunk: Chunk) -> JsonObject:
    """One event of a streamed chat: the role in each delta, `usage` null but for the last."""
    choices = []
    for piece in chunk.deltas:
        delta = {"role": "assistant", "content": piece.text, "tool_calls": piece.tool_calls}
        if piece.reasoning is not None:
            delta["reasoning_content"] = piece.reasoning
        choices.append(_choice(piece, delta=delta, logprobs=piece.logprobs))
    return {**_head(chunk, "chat.completion.chunk", choices), "usage": chunk.usage}


def completion_chunk(chunk: Chunk) -> JsonObject:
    """One event of a streamed completion; it has no `usage` at all."""
    choices = [_choice(piece, text=piece.text or "", logprobs=piece.logprobs) for piece in chunk.deltas]
    return _head(chunk, "text_completion", choices)


def _choice(piece: ChoiceDelta, **fields: object) -> JsonObject:
    return {"finish_reason": piece.finish_reason, "index": piece.index, **fields}


class ResponseAccumulator:
    """An answer that is put together from its stream."""

    def __init__(self, chunks: Iterable[Chunk] = ()) -> None:
        self._first: Chunk | None = None
        self._usage: JsonObject | None = None
        self._choices: dict[int, list[ChoiceDelta]] = {}
        for chunk in chunks:
            self.add(chunk)

    def add(self, chunk: Chunk) -> None:
        """Take the next step of the stream."""
        self._first = self._first or chunk
        self._usage = chunk.usage or self._usage
        for piece in chunk.deltas:
            self._choices.setdefault(piece.index, []).append(piece)

    def chat(self) -> JsonObject:
        """The `chat.completion` object."""
        choices = []
        for pieces in self._in_order():
            calls = [call for piece in pieces for call in piece.tool_calls or []]
            message: JsonObject = {
                # The engine gives no text at all for an answer that is a tool call.
                "content": _text(pieces) or (None if calls else ""),
                "role": "assistant",
                "tool_calls": calls or None,
            }
            reasoning = "".join(piece.reasoning or "" for piece in pieces)
            if reasoning:
                message["reasoning_content"] = reasoning
            choices.append(_choice(pieces[-1], message=message, logprobs=_logprobs(pieces)))
        return self._object("chat.completion", choices)

    def completion(self, echo: str = "") -> JsonObject:
        """The `text_completion` object; `echo` is put before each text."""
        return self._object(
            "text_completion",
            [
                _choice(pieces[-1], text=echo + _text(pieces), logprobs=_logprobs(pieces))
                for pieces in self._in_order()
            ],
        )

    def _in_order(self) -> list[list[ChoiceDelta]]:
        return [self._choices[index] for index in sorted(self._choices)]

    def _object(self, kind: str, choices: list[JsonObject]) -> JsonObject:
        if self._first is None:
            raise ValueError("an answer without a single chunk")
        return {**_head(self._first, kind, choices), "usage": self._usage}


def _text(pieces: list[ChoiceDelta]) -> str:
    return "".join(piece.text or "" for piece in pieces)


def _logprobs(pieces: list[ChoiceDelta]) -> JsonObject | None:
    entries = [piece.logprobs for piece in pieces if piece.logprobs]
    return {"content": entries} if entries else None
