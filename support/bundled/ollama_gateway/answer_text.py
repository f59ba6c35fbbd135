"""The text of an answer: thinking and tool-call markup, tool calls, stop sequences, complete JSON.

Streams of mistral.rs contain a model's own markup as text (docs/findings.md#tool-calls); Ollama removes it
(thinking/parser.go, tools/tools.go). The tags are those of Qwen, DeepSeek, Hermes and the models after them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Literal

from support.bundled.ollama_gateway.errors import ApiError
from support.bundled.ollama_gateway.json_types import Json, JsonMapping, JsonObject

THINK_START, THINK_END = "<think>", "</think>"
TOOL_CALL_START, TOOL_CALL_END = "<tool_call>", "</tool_call>"
State = Literal["text", "thought", "call"]
_PLAIN = "plain text"
_STATE_AFTER: Mapping[str, State] = {THINK_START: "thought", TOOL_CALL_START: "call"}


class Markup:
    """Splits the text of one answer into plain text and thoughts; the tool calls are kept in `calls`."""

    def __init__(self, *, thinks: bool, calls: bool) -> None:
        """`thinks`: the model may begin with a thought. `calls`: the request has tools."""
        self.calls: list[JsonObject] = []
        self._starts = [mark for mark, wanted in ((THINK_START, thinks), (TOOL_CALL_START, calls)) if wanted]
        self._state: State = "text"
        self._held = ""
        # White space after a thought or a call belongs to the markup, and that before a thought.
        self._at_edge = False
        self._has_content = False

    def feed(self, text: str) -> tuple[str, str]:
        """Text and thought that are decided with this piece; the possible beginning of a tag is held back."""
        if not self._starts and not self._at_edge:
            return text, ""
        self._held += text
        plain, thought = "", ""
        while True:
            if self._state == "text":
                part, mark = self._until(*self._starts)
                if mark == THINK_START and (self._has_content or part.strip()):
                    # In the middle of an answer the tag is plain text.
                    part, mark = part + mark, _PLAIN
                if part.strip() or self._has_content or mark not in _STATE_AFTER:
                    plain += self._trim(part)
                    self._has_content = self._has_content or bool(part.strip())
                self._state = _STATE_AFTER.get(mark, "text")
            elif self._state == "thought":
                part, mark = self._until(THINK_END)
                thought += self._trim(part)
                if mark:
                    self._state, self._has_content, thought = "text", True, thought.rstrip()
                    self._starts = [start for start in self._starts if start != THINK_START]
            else:
                inside, mark, after = self._held.partition(TOOL_CALL_END)
                if mark:
                    self._held, self._state = after, "text"
                    plain += self._parse_call(inside)
            if not mark:
                return plain, thought
            self._at_edge = mark != _PLAIN

    def mark_extracted(self) -> None:
        """The target has removed markup itself, but not the white space beside it."""
        self._at_edge = not self._has_content

    def flush(self, *, is_call: bool = False) -> tuple[str, str]:
        """What was held back when the answer ended. `is_call`: the target has removed a tool call itself."""
        held, self._held = self._held, ""
        if is_call and not held.strip():
            return "", ""
        if self._state == "thought":
            return "", held
        return (TOOL_CALL_START if self._state == "call" else "") + held, ""

    def _until(self, *marks: str) -> tuple[str, str]:
        """The text before the first of the tags, and that tag; without one, all that cannot begin a tag."""
        found = [(at, mark) for mark in marks if (at := self._held.find(mark)) >= 0]
        if found:
            at, mark = min(found)
            part, self._held = self._held[:at], self._held[at + len(mark) :]
            return part, mark
        keep = max((partial_match_length(self._held, mark) for mark in marks), default=0)
        if marks and not self._has_content and not self._held[: len(self._held) - keep].strip():
            keep = len(self._held)
        part, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return part, ""

    def _trim(self, part: str) -> str:
        if self._at_edge:
            part = part.lstrip()
            self._at_edge = not part
        return part

    def _parse_call(self, text: str) -> str:
        """Keep a call; what is not one is returned as text."""
        try:
            call = json.loads(text)
            name, arguments = call["name"], call.get("arguments", call.get("parameters")) or {}
        except (ValueError, TypeError, KeyError, AttributeError):
            return TOOL_CALL_START + text + TOOL_CALL_END
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return TOOL_CALL_START + text + TOOL_CALL_END
        function = {"name": name, "arguments": json.dumps(arguments)}
        self.calls.append(
            {
                "index": len(self.calls),
                "id": f"call_{secrets.token_hex(4)}",
                "function": function,
            }
        )
        return ""


class ToolCallAccumulator:
    """Tool calls out of a stream: whole ones, or fragments that belong together by their index."""

    def __init__(self) -> None:
        self._calls: dict[int, dict[str, str]] = {}

    def add(self, fragments: Sequence[JsonObject]) -> None:
        """Add the calls of one event."""
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

    def parsed(self) -> list[JsonObject]:
        """Ollama's form: `arguments` is an object."""
        return [
            {
                "id": call["id"],
                "function": {"index": index, "name": call["name"], "arguments": _arguments(call["text"])},
            }
            for index, call in sorted(self._calls.items())
        ]


def call_identity(call: JsonMapping) -> tuple[str, Json]:
    return call["function"]["name"], call["function"]["arguments"]


def _arguments(text: str) -> JsonObject:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ApiError(500, "the target made a tool call with arguments that are not a JSON object")
    return value


class StopFilter:
    """Keeps stop sequences out of a text that comes in pieces.

    The target gets them as well and ends there; but a stream of mistral.rs 0.8.1 does not stop at one that
    spans two tokens (docs/findings.md). What may be the beginning of one is held back until it is decided.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self._over = False

    def feed(self, text: str) -> str:
        """The part of the text that may be sent now."""
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


def partial_match_length(text: str, mark: str) -> int:
    """How many characters at the end of a text are the beginning of a tag or stop sequence."""
    return next(
        (size for size in range(min(len(mark) - 1, len(text)), 0, -1) if text.endswith(mark[:size])), 0
    )


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
