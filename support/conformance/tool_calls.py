"""Tool calls of every API: their normalized form, and how streamed ones are put together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from support.units import Json, JsonMapping, JsonObject


@dataclass(frozen=True)
class Call:
    """A tool call; `arguments` are a JSON document as text (OpenAI) or an object (Ollama, Anthropic)."""

    id: Json
    name: Json
    arguments: Json


def normalized_calls(calls: Sequence[Call]) -> JsonObject:
    """Keys of a normalized answer. Ids are random: two answers have to agree on which calls have one."""
    return {
        "tool_calls": [{"name": call.name, "arguments": _parsed(call.arguments)} for call in calls],
        "call_ids": [call.id for call in calls],
        "calls_with_id": [bool(call.id) for call in calls],
    }


def _parsed(arguments: Json) -> Json:
    """The arguments as a value: the same object is the same call, however its text is spaced."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def require_json_object(arguments: str) -> str:
    """The arguments of a tool call, which are a JSON object as text; raises ValueError."""
    try:
        found = json.loads(arguments)
    except ValueError:
        raise ValueError(f"arguments that are no JSON: {arguments!r:.100}") from None
    if not isinstance(found, dict):
        raise ValueError(f"arguments that are no JSON object: {arguments!r:.100}")
    return arguments


def require_unique_ids(ids: Iterable[Json]) -> None:
    """Raises ValueError when two tool calls have one id: a client could not tell their results apart."""
    given = [each for each in ids if each]
    if len(given) != len(set(given)):
        raise ValueError(f"two tool calls have one id: {given}")


def require_calls_match_reason(count: int, reason: Json) -> None:
    """Raises ValueError unless exactly an answer with tool calls has the finish reason `tool_calls`."""
    if bool(count) != (reason == "tool_calls"):
        raise ValueError(f"{count} tool calls with the finish reason {reason!r}")


class StreamedCalls:
    """The tool calls of one streamed choice of the OpenAI API, put together by their index.

    OpenAI's client joins every text that comes again, the id and the name as well (openai-python,
    `lib/streaming/_deltas.py`), so only the arguments may come in pieces.
    """

    def __init__(self) -> None:
        self._calls: list[JsonObject] = []

    def add(self, piece: JsonMapping) -> None:
        """The next piece of a call; raises ValueError when it does not fit."""
        index, function = piece["index"], piece.get("function") or {}
        named = {"id": piece.get("id"), "type": piece.get("type"), "name": function.get("name")}
        if index > len(self._calls):
            raise ValueError(f"tool call {index} begins when there are {len(self._calls)} calls")
        if index == len(self._calls):
            missing = [name for name, value in named.items() if not value]
            if missing:
                raise ValueError(f"tool call {index} begins without {', '.join(missing)}")
            self._calls.append({**named, "arguments": function.get("arguments") or ""})
            return
        call = self._calls[index]
        if named["id"] and named["id"] != call["id"]:
            ids = f"{call['id']!r} and {named['id']!r}"
            raise ValueError(f"two tool calls have the index {index}: {ids}")
        again = [name for name in ("id", "name") if named[name]]
        if again:
            raise ValueError(f"tool call {index} has its {' and its '.join(again)} again: clients join them")
        call["arguments"] += function.get("arguments") or ""

    def require_complete(self, reason: Json) -> None:
        """Raises ValueError unless all calls are complete, and the choice ended with this finish reason."""
        for index, call in enumerate(self._calls):
            try:
                require_json_object(call["arguments"])
            except ValueError as error:
                raise ValueError(f"tool call {index} ({call['name']}) has {error}") from None
        require_unique_ids(call["id"] for call in self._calls)
        require_calls_match_reason(len(self._calls), reason)
