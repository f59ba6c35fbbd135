"""Ollama's responses: the lines of a stream, or one object made of them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from support.bundled.ollama_gateway.json_types import JsonMapping, JsonObject

Line = JsonObject


class AnswerChunk(msgspec.Struct):
    """A part of an answer. `end`: the other members of the last line; only that line has them."""

    text: str = ""
    thinking: str = ""
    calls: Sequence[JsonObject] = ()
    logprobs: Sequence[JsonObject] = ()
    end: JsonObject | None = None


class ResponseWriter:
    """Writes the answer of /api/chat or of /api/generate."""

    def __init__(self, model: str, *, is_chat: bool) -> None:
        self.model = model
        self.is_chat = is_chat
        # A line around its date and its text.
        self._before = f'{{"model":{json.dumps(model)},"created_at":"'
        self._between = '","message":{"role":"assistant","content":' if is_chat else '","response":'
        self._after = '},"done":false}\n' if is_chat else ',"done":false}\n'

    def line(self, chunk: AnswerChunk) -> Line:
        """A part of the answer."""
        line: Line = {"model": self.model, "created_at": now()}
        parts: Line = {"thinking": chunk.thinking} if chunk.thinking else {}
        if chunk.calls:
            parts["tool_calls"] = list(chunk.calls)
        if self.is_chat:
            line["message"] = {"role": "assistant", "content": chunk.text, **parts}
        else:
            line |= {"response": chunk.text, **parts}
        line |= {"done": chunk.end is not None, **(chunk.end or {})}
        return line | ({"logprobs": list(chunk.logprobs)} if chunk.logprobs else {})

    def lines(self, chunks: Sequence[AnswerChunk]) -> bytes:
        """Lines of a stream."""
        return "".join(map(self._to_line, chunks)).encode()

    def _to_line(self, chunk: AnswerChunk) -> str:
        if chunk.thinking or chunk.calls or chunk.logprobs or chunk.end:
            return to_line(self.line(chunk))
        # Nearly all are text only: written in a fraction of the time, to the same bytes.
        return f"{self._before}{now()}{self._between}{json.dumps(chunk.text)}{self._after}"

    def merge(self, chunks: Sequence[AnswerChunk]) -> Line:
        """The parts of a stream as one answer."""
        return self.line(
            AnswerChunk(
                "".join(part.text for part in chunks),
                "".join(part.thinking for part in chunks),
                [call for part in chunks for call in part.calls],
                [entry for part in chunks for entry in part.logprobs],
                chunks[-1].end,
            )
        )


def to_line(line: JsonMapping) -> str:
    """A line of a stream. ASCII only: some clients split lines at U+2028."""
    return json.dumps(line, separators=(",", ":")) + "\n"


def now() -> str:
    """RFC 3339, the format of `created_at`."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1000:06d}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
