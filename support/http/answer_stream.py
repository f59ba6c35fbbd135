"""What a stream of an API means: its tokens, their kinds, its usage, its error and its end.

Read as leniently as the official clients do: whether a stream conforms is decided elsewhere.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    # With it the settings come along: half of what the process of a load takes to start.
    from support.http.exchange import Exchange

DONE = b"[DONE]"
# A blank line, whatever ends the lines; a CRLF alone must not count as two ends.
_BLANK_LINE = re.compile(rb"\n\r?\n|\r\r")
# Four times as fast as the standard library's: there is a document for each token.
_DECODER = msgspec.json.Decoder()


class TokenKind(StrEnum):
    """What an event brings. Any of them makes the first token."""

    CONTENT = "content"
    REASONING = "reasoning"
    TOOL_CALL = "tool call"


# Fields of a delta (OpenAI; the reasoning has two names) or a message (Ollama); the first one there counts.
_KINDS = {
    "content": TokenKind.CONTENT,
    "reasoning_content": TokenKind.REASONING,
    "reasoning": TokenKind.REASONING,
    "thinking": TokenKind.REASONING,
    "tool_calls": TokenKind.TOOL_CALL,
}


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """An event with at least one token; it is there with the first `end` bytes of the body."""

    end: int
    kind: TokenKind
    text: str


@dataclass
class Answer:
    """A stream, as far as it came. Counts are those of its usage, None where it has none.

    `finished`: it has a finish reason. `error`: that of an error event, or what is wrong with an event.
    """

    events: list[TokenEvent] = field(default_factory=list)
    finished: bool = False
    error: str = ""
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None


def openai_answer(body: bytes) -> Answer:
    """Server-sent events of chat completions."""
    return _answer(((end, name, data) for end, name, data in _events(body) if data != DONE), _add_chunk)


def ollama_answer(body: bytes) -> Answer:
    """Lines of JSON of /api/chat."""
    return _answer(((end, b"", line) for end, line in _lines(body)), _add_line)


def time_to_first_token(exchange: Exchange) -> float | None:
    """Seconds from sending to the first event of a streamed chat that has a token; None without one.

    For server-sent events of chat completions. An event is there when its last byte is there.
    """
    lengths = list(accumulate(len(part) for _, part in exchange.chunks))
    events = openai_answer(b"".join(part for _, part in exchange.chunks)).events
    return exchange.chunks[bisect_left(lengths, events[0].end)][0] if events else None


READERS: dict[str, Callable[[bytes], Answer]] = {"openai": openai_answer, "ollama": ollama_answer}


def _events(body: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """End, name and data of each event that was ended by a blank line (WHATWG HTML, 9.2.6)."""
    start = 0
    for blank in _BLANK_LINE.finditer(body):
        name, data = b"", []
        for line in body[start : blank.start()].splitlines():
            label, _, value = line.partition(b":")
            if label == b"data":
                data.append(value.removeprefix(b" "))
            elif label == b"event":
                name = value.strip()
        start = blank.end()
        if data:
            yield start, name, b"\n".join(data)


def _lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    """End and content of each line that was ended."""
    start = 0
    while (found := body.find(b"\n", start)) >= 0:
        if line := body[start:found].strip():
            yield found + 1, line
        start = found + 1


def _answer(
    frames: Iterable[tuple[int, bytes, bytes]], add: Callable[[Answer, int, dict[str, Any]], None]
) -> Answer:
    """Of frames with their ends, names and data. What follows an error is mostly its consequence."""
    answer = Answer()
    for end, name, data in frames:
        try:
            document = _DECODER.decode(data)
            error = document.get("error") or (document if name == b"error" else None)
            if not error:
                add(answer, end, document)
                continue
            text = error.get("message") if isinstance(error, dict) else error
            found = f"error event: {text or json.dumps(error)}"
        except (msgspec.DecodeError, UnicodeDecodeError, AttributeError, TypeError):
            # No JSON, or of another form.
            found = f"unreadable event: {data[:80]!r}"
        answer.error = answer.error or found
    return answer


def _add_chunk(answer: Answer, end: int, chunk: dict[str, Any]) -> None:
    for choice in chunk.get("choices") or ():
        _add_tokens(answer, end, choice.get("delta") or {})
        answer.finished |= bool(choice.get("finish_reason"))
    if usage := chunk.get("usage"):
        answer.prompt_tokens = usage.get("prompt_tokens")
        answer.output_tokens = usage.get("completion_tokens")
        answer.cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")


def _add_line(answer: Answer, end: int, line: dict[str, Any]) -> None:
    _add_tokens(answer, end, line.get("message") or {})
    if line.get("done"):
        answer.finished = True
        answer.prompt_tokens = line.get("prompt_eval_count")
        answer.output_tokens = line.get("eval_count")


def _add_tokens(answer: Answer, end: int, fields: dict[str, Any]) -> None:
    """Empty fields are no tokens: many servers begin with a role and the content ""."""
    for name, kind in _KINDS.items():
        if value := fields.get(name):
            text = value if isinstance(value, str) else json.dumps(value)
            answer.events.append(TokenEvent(end, kind, text))
            # The same reasoning may stand in two fields.
            return
