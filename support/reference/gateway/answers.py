"""The target's stream as Ollama's answer: lines of a stream, or one object made of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from support.reference.gateway.failures import Refusal
from support.reference.gateway.markup import Markup, begun
from support.reference.gateway.upstream import is_the_clients, words_of

Line = dict[str, Any]


def now() -> str:
    """RFC 3339, as `created_at` wants it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Piece:
    """One event of the target's stream."""

    text: str = ""
    thinking: str = ""
    tool_calls: Sequence[dict[str, Any]] = ()
    logprobs: Sequence[dict[str, Any]] = ()
    finish: str | None = None
    usage: dict[str, Any] | None = None


def piece_of(data: bytes) -> Piece | None:
    """What an event holds; None for the last word `[DONE]`.

    Raises `Refusal` for an error event: OpenAI's object, or the bare text of mistral.rs 0.8.1.
    """
    if data == b"[DONE]":
        return None
    try:
        event = json.loads(data)
        choices = event.get("choices")
    except (ValueError, AttributeError):
        raise failure(words_of(data)) from None
    if choices is None:
        raise failure(words_of(data))
    choice = choices[0] if choices else {}
    told = choice.get("delta") or {}
    return Piece(
        text=told.get("content") or choice.get("text") or "",
        thinking=told.get("reasoning_content") or "",
        tool_calls=told.get("tool_calls") or (),
        logprobs=_logprobs(choice.get("logprobs")),
        finish=choice.get("finish_reason"),
        usage=event.get("usage"),
    )


def failure(words: str) -> Refusal:
    """An error inside a stream has no status: what the engine says of the request's own length is 400."""
    if words.lower().startswith("invalid grammar"):
        # Ollama's words, and its status.
        return Refusal(500, f"invalid JSON schema in format: {words}")
    return Refusal(400 if is_the_clients(words) else 500, words or "the target failed without a word")


def _logprobs(told: Any) -> list[dict[str, Any]]:
    """OpenAI's `{"content": [...]}`, or the bare object in mistral.rs' streams."""
    if not told:
        return []
    entries = told.get("content") if isinstance(told.get("content"), list) else [told]
    return [
        {
            **_token(entry),
            **(
                {"top_logprobs": [_token(other) for other in tops]}
                if (tops := entry.get("top_logprobs"))
                else {}
            ),
        }
        for entry in entries
    ]


def _token(entry: dict[str, Any]) -> dict[str, Any]:
    """mistral.rs names alternatives by number; their text stands in the bytes, in 0.8.1 as a text."""
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


class Calls:
    """Tool calls out of a stream: whole ones, or fragments that belong together by their index."""

    def __init__(self) -> None:
        self._calls: dict[int, dict[str, str]] = {}

    def add(self, fragments: Sequence[dict[str, Any]]) -> None:
        """Take what one event holds."""
        for number, fragment in enumerate(fragments):
            index = fragment.get("index")
            call = self._calls.setdefault(
                number if index is None else index, {"id": "", "name": "", "text": ""}
            )
            function = fragment.get("function") or {}
            call["id"] = fragment.get("id") or call["id"]
            call["name"] = function.get("name") or call["name"]
            call["text"] += function.get("arguments") or ""

    def __bool__(self) -> bool:
        return bool(self._calls)

    def told(self) -> list[dict[str, Any]]:
        """Ollama's form: `arguments` is an object."""
        return [
            {
                "id": call["id"],
                "function": {"index": index, "name": call["name"], "arguments": _arguments(call["text"])},
            }
            for index, call in sorted(self._calls.items())
        ]


def _what(call: Mapping[str, Any]) -> tuple[str, Any]:
    return call["function"]["name"], call["function"]["arguments"]


def _arguments(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Refusal(500, "the target made a tool call whose arguments are no JSON object")
    return value


class Stops:
    """Keeps stop sequences out of a text that comes in pieces.

    The target is told of them too and ends there; but a stream of mistral.rs 0.8.1 lets one through that lies
    across two tokens (docs/findings.md). What may be the beginning of one is held back until it is known.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self._over = False

    def pass_on(self, text: str) -> str:
        """What of the text may be shown now."""
        if not self._stops:
            return text
        if self._over:
            return ""
        whole = self._held + text
        at = min((at for stop in self._stops if (at := whole.find(stop)) >= 0), default=-1)
        if at >= 0:
            self._over, self._held = True, ""
            return whole[:at]
        keep = max(begun(whole, stop) for stop in self._stops)
        self._held = whole[len(whole) - keep :]
        return whole[: len(whole) - keep]

    def rest(self) -> str:
        """What was held back and turned out to be text."""
        held, self._held = self._held, ""
        return held


@dataclass(frozen=True, slots=True)
class Shape:
    """How an answer is written down: that of /api/chat, or that of /api/generate."""

    model: str
    is_chat: bool

    def line(self, text: str, thinking: str = "", calls: Sequence[dict[str, Any]] = ()) -> Line:
        """A part of the answer."""
        head = {"model": self.model, "created_at": now()}
        told: Line = {"thinking": thinking} if thinking else {}
        if calls:
            told["tool_calls"] = list(calls)
        if self.is_chat:
            return {**head, "message": {"role": "assistant", "content": text, **told}, "done": False}
        return {**head, "response": text, **told, "done": False}

    def last(self, reason: str) -> Line:
        """The end of the answer, without its figures."""
        return {**self.line(""), "done": True, "done_reason": reason}

    def whole(self, lines: Sequence[Line]) -> Line:
        """The lines of a stream as one answer."""
        parts = [line["message"] if self.is_chat else line for line in lines]
        text = "".join(part["content" if self.is_chat else "response"] for part in parts)
        thinking = "".join(part.get("thinking", "") for part in parts)
        calls = [call for part in parts for call in part.get("tool_calls", ())]
        logprobs = [entry for line in lines for entry in line.get("logprobs", ())]
        answer = self.line(text, thinking, calls) | {
            name: value
            for name, value in lines[-1].items()
            if name not in ("message", "response", "logprobs")
        }
        return answer | ({"logprobs": logprobs} if logprobs else {})


class Telling:
    """One answer on its way: the target's events in, Ollama's lines out."""

    def __init__(
        self,
        shape: Shape,
        started: int,
        loaded: int,
        stops: Sequence[str],
        markup: Markup,
        *,
        is_json: bool,
        alternatives: bool,
    ) -> None:
        """`started`, `loaded`: `time.perf_counter_ns` at the request and when the model was there.

        `is_json`: the answer is one JSON value, and what follows it is not part of it. `alternatives`:
        `top_logprobs` were asked for; mistral.rs sends one without being asked.
        """
        self.text = ""
        self.ended_early = False
        self.usage: dict[str, Any] = {}
        self._shape = shape
        self._started, self._loaded = started, loaded
        self._first = self._latest = 0
        self._stops = Stops(stops)
        self._calls = Calls()
        self._markup = markup
        self._is_json = is_json
        self._alternatives = alternatives
        self._events = 0
        self._finish: str | None = None

    def lines(self, events: Sequence[bytes]) -> Iterator[Line]:
        """The lines for the events of one read. Raises `Refusal` for an error among them."""
        for data in events:
            piece = piece_of(data)
            if piece is not None:
                yield from self._told(piece)

    def _told(self, piece: Piece) -> Iterator[Line]:
        if piece.usage:
            self.usage = piece.usage
        if self.ended_early:
            return
        if piece.finish:
            self._finish = piece.finish
        self._calls.add(piece.tool_calls)
        self._latest = time.perf_counter_ns()
        self._first = self._first or self._latest
        self._events += 1
        if piece.thinking or piece.tool_calls:
            self._markup.taken_out()
        said, thought = self._markup.feed(piece.text)
        text, thinking = self._stops.pass_on(said), piece.thinking + thought
        # mistral.rs tells of the token that ends an answer, too; Ollama does not count it to the answer.
        told = piece.logprobs if piece.text or not piece.finish else ()
        if text or thinking or told:
            self.text += text
            line = self._shape.line(text, thinking)
            if told:
                line["logprobs"] = [self._asked_for(entry) for entry in told]
            yield line
        if self._is_json and not self._finish and is_complete_json(self.text):
            # A satisfied grammar does not end an answer of mistral.rs: it goes on up to its limit with empty
            # tokens, which 0.8.1 sends and 0.9 does not (mistralrs-live.md).
            self.ended_early, self._finish = True, "stop"

    def _asked_for(self, entry: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in entry.items() if self._alternatives or name != "top_logprobs"}

    def end(self) -> Iterator[Line]:
        """What is left to say, then the last line with its figures. `Refusal` when there was no end."""
        if self._finish is None:
            raise Refusal(502, "the target ended its stream before the answer was complete")
        said, thought = self._markup.rest(is_call=bool(self._calls))
        rest = self._stops.pass_on(said) + self._stops.rest()
        calls = self._called()
        if rest or thought or calls:
            self.text += rest
            yield self._shape.line(rest, thought, calls)
        # Ollama has no word of its own for an answer that is a tool call.
        yield self._shape.last("length" if self._finish == "length" else "stop") | self._figures()

    def _called(self) -> list[Line]:
        """Calls in their order. mistral.rs' streams show a call as a call, as text, or as both."""
        from_text = Calls()
        from_text.add(self._markup.calls)
        theirs = self._calls.told()
        known = [_what(call) for call in theirs]
        calls = [call for call in from_text.told() if _what(call) not in known] + theirs
        return [{**call, "function": {**call["function"], "index": at}} for at, call in enumerate(calls)]

    def _figures(self) -> Line:
        """Counts of the target, times in nanoseconds measured here; what is 0 is left out, as Go does."""
        figures = {
            "total_duration": time.perf_counter_ns() - self._started,
            "load_duration": self._loaded - self._started,
            "prompt_eval_count": self.usage.get("prompt_tokens") or 0,
            "prompt_eval_duration": self._first - self._loaded,
            # mistral.rs makes an event of each token; raw streams come without figures.
            "eval_count": self.usage.get("completion_tokens") or self._events,
            "eval_duration": self._latest - self._first,
        }
        if figures["eval_count"] == 1:
            figures["eval_duration"] = 0
        return {name: value for name, value in figures.items() if value}


def is_complete_json(text: str) -> bool:
    """Whether a text is one JSON value that nothing can be added to; a number never is."""
    text = text.strip()
    if not text or text[0] + text[-1] not in ("{}", "[]", '""', "te", "fe", "nl"):
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
