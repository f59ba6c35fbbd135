"""The target's stream as Ollama's answer: lines of a stream, or one object made of them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from support.bundled.ollama_gateway.errors import ApiError
from support.bundled.ollama_gateway.reasoning_parser import Markup, partial_match_length
from support.bundled.ollama_gateway.request_translator import Conversation, encode_context
from support.bundled.ollama_gateway.upstream import error_message, is_client_error

Line = dict[str, Any]


def now() -> str:
    """RFC 3339, as `created_at` wants it."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1000:06d}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class Delta(msgspec.Struct):
    """What an event adds to an answer."""

    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class Choice(msgspec.Struct):
    """The one answer of a stream: a chat has a `delta`, a raw prompt's has a `text`."""

    delta: Delta | None = None
    text: str | None = None
    logprobs: dict[str, Any] | None = None
    finish_reason: str | None = None


class Event(msgspec.Struct):
    """One event of the target's stream; other members are not looked at."""

    choices: list[Choice] | None
    usage: dict[str, Any] | None = None


class AnswerChunk(msgspec.Struct):
    """A part of an answer. `end`: what the last line tells beside it; only that line has one."""

    text: str = ""
    thinking: str = ""
    calls: Sequence[dict[str, Any]] = ()
    logprobs: Sequence[dict[str, Any]] = ()
    end: dict[str, Any] | None = None


DONE = b"[DONE]"
_NO_CHOICE, _NO_DELTA = Choice(), Delta()
_decode_event = msgspec.json.Decoder(Event).decode


def parse_event(data: bytes) -> Event:
    """Raises `Refusal` for an error event: OpenAI's object, or the bare text of mistral.rs 0.8.1."""
    try:
        event = _decode_event(data)
    except msgspec.DecodeError:
        raise stream_error(error_message(data)) from None
    if event.choices is None:
        raise stream_error(error_message(data))
    return event


def stream_error(message: str) -> ApiError:
    """An error inside a stream has no status: what the engine says of the request's own length is 400."""
    if message.lower().startswith("invalid grammar"):
        # Ollama's words, and its status.
        return ApiError(500, f"invalid JSON schema in format: {message}")
    return ApiError(400 if is_client_error(message) else 500, message or "the target failed without a word")


def _logprobs(logprobs: dict[str, Any]) -> list[dict[str, Any]]:
    """OpenAI's `{"content": [...]}`, or the bare object in mistral.rs' streams."""
    content = logprobs.get("content")
    entries = content if isinstance(content, list) else [logprobs]
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


class ToolCallAccumulator:
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

    def parsed(self) -> list[dict[str, Any]]:
        """Ollama's form: `arguments` is an object."""
        return [
            {
                "id": call["id"],
                "function": {"index": index, "name": call["name"], "arguments": _arguments(call["text"])},
            }
            for index, call in sorted(self._calls.items())
        ]


def _call_identity(call: Mapping[str, Any]) -> tuple[str, Any]:
    return call["function"]["name"], call["function"]["arguments"]


def _arguments(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ApiError(500, "the target made a tool call whose arguments are no JSON object")
    return value


class StopFilter:
    """Keeps stop sequences out of a text that comes in pieces.

    The target is told of them too and ends there; but a stream of mistral.rs 0.8.1 lets one through that lies
    across two tokens (docs/findings.md). What may be the beginning of one is held back until it is known.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self._over = False

    def feed(self, text: str) -> str:
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
        keep = max(partial_match_length(whole, stop) for stop in self._stops)
        self._held = whole[len(whole) - keep :]
        return whole[: len(whole) - keep]

    def flush(self) -> str:
        """What was held back and turned out to be text."""
        held, self._held = self._held, ""
        return held


class ResponseWriter:
    """How an answer is written down: that of /api/chat, or that of /api/generate."""

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
        told: Line = {"thinking": chunk.thinking} if chunk.thinking else {}
        if chunk.calls:
            told["tool_calls"] = list(chunk.calls)
        if self.is_chat:
            line["message"] = {"role": "assistant", "content": chunk.text, **told}
        else:
            line |= {"response": chunk.text, **told}
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


def to_line(line: Mapping[str, Any]) -> str:
    """A line of a stream. ASCII only: clients that split at U+2028 would tear it."""
    return json.dumps(line, separators=(",", ":")) + "\n"


class StreamTranslator:
    """One answer on its way: the target's events in, the parts of Ollama's answer out."""

    def __init__(
        self,
        started: int,
        loaded: int,
        stops: Sequence[str],
        markup: Markup,
        *,
        is_json: bool,
        alternatives: bool,
        history: Conversation | None = None,
    ) -> None:
        """`started`, `loaded`: `time.perf_counter_ns` at the request and when the model was there.

        `is_json`: the answer is one JSON value, and what follows it is not part of it. `alternatives`:
        `top_logprobs` were asked for; mistral.rs sends one without being asked. `remembers`: the conversation
        that a next request may go on with.
        """
        self.ended_early = False
        self.usage: dict[str, Any] = {}
        self._text = ""
        self._started, self._loaded = started, loaded
        self._first = self._latest = 0
        self._stops = StopFilter(stops)
        self._calls = ToolCallAccumulator()
        self._markup = markup
        self._is_json = is_json
        self._alternatives = alternatives
        self._history = history
        self._events = 0
        self._finish: str | None = None

    def translate(self, events: Sequence[bytes]) -> list[AnswerChunk]:
        """What the events of one read add to the answer. Raises `Refusal` for an error among them."""
        return [
            part
            for data in events
            if data != DONE and (part := self._translate_event(parse_event(data))) is not None
        ]

    def _translate_event(self, event: Event) -> AnswerChunk | None:
        if event.usage:
            self.usage = event.usage
        if self.ended_early:
            return None
        choice = event.choices[0] if event.choices else _NO_CHOICE
        delta = choice.delta or _NO_DELTA
        said, thought = delta.content or choice.text or "", delta.reasoning_content or ""
        if choice.finish_reason:
            self._finish = choice.finish_reason
        self._latest = time.perf_counter_ns()
        self._first = self._first or self._latest
        self._events += 1
        if delta.tool_calls:
            self._calls.add(delta.tool_calls)
        if thought or delta.tool_calls:
            self._markup.mark_extracted()
        text, also_thought = self._markup.feed(said)
        part = AnswerChunk(self._stops.feed(text), thought + also_thought)
        # mistral.rs tells of the token that ends an answer, too; Ollama does not count it to the answer.
        if choice.logprobs and (said or not choice.finish_reason):
            part.logprobs = [self._filter_logprobs(entry) for entry in _logprobs(choice.logprobs)]
        self._text += part.text
        if self._is_json and not self._finish and is_complete_json(self._text):
            # A satisfied grammar does not end an answer of mistral.rs: it goes on up to its limit with empty
            # tokens, which 0.8.1 sends and 0.9 does not (mistralrs-live.md).
            self.ended_early, self._finish = True, "stop"
        return part if part.text or part.thinking or part.logprobs else None

    def _filter_logprobs(self, entry: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in entry.items() if self._alternatives or name != "top_logprobs"}

    def end(self) -> list[AnswerChunk]:
        """What is left to say, then the last line with its figures. `Refusal` when there was no end."""
        if self._finish is None:
            raise ApiError(502, "the target ended its stream before the answer was complete")
        said, thought = self._markup.flush(is_call=bool(self._calls))
        left = AnswerChunk(self._stops.feed(said) + self._stops.flush(), thought, self._tool_calls())
        self._text += left.text
        # Ollama has no word of its own for an answer that is a tool call.
        reason = "length" if self._finish == "length" else "stop"
        end: Line = {"done_reason": reason, **self._statistics()}
        if self._history is not None:
            answered = {"role": "assistant", "content": self._text}
            end["context"] = encode_context([*self._history, answered])
        return [*([left] if left.text or left.thinking or left.calls else []), AnswerChunk(end=end)]

    def _tool_calls(self) -> list[Line]:
        """Calls in their order. mistral.rs' streams show a call as a call, as text, or as both."""
        from_text = ToolCallAccumulator()
        from_text.add(self._markup.calls)
        theirs = self._calls.parsed()
        known = [_call_identity(call) for call in theirs]
        calls = [call for call in from_text.parsed() if _call_identity(call) not in known] + theirs
        return [{**call, "function": {**call["function"], "index": at}} for at, call in enumerate(calls)]

    def _statistics(self) -> Line:
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
