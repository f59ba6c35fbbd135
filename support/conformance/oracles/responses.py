"""Contracts of the Responses API (OpenAI's API reference, and the Open Responses specification after it).

What OpenAI's own types require beyond that is a contract of its own, so that one case fails and not all: no
version of mistral.rs up to 0.9.2 fulfils it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, get_args

from openai.types.responses import Response as OfficialResponse
from openai.types.responses import ResponseStreamEvent as OfficialEvent
from pydantic import AfterValidator, Field

from support.conformance.api import Api, NormalizedAnswer
from support.conformance.contract import (
    BrokenAt,
    Contract,
    Count,
    StreamEvent,
    StrictModel,
    Text,
    at_document,
    extra_fields,
    first_index,
    require_current_time,
    require_part_of,
    require_total,
)
from support.conformance.oracles.openai import ErrorBody
from support.conformance.response_parser import ParsedResponse
from support.conformance.tool_calls import Call, normalized_calls, require_json_object, require_unique_ids
from support.units import Json, JsonMapping, JsonObject

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
# What ends a stream, and the status that the response has then.
TERMINAL_EVENTS = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
}


class _Usage(StrictModel):
    input_tokens: Count
    output_tokens: Count
    total_tokens: Count
    input_tokens_details: JsonObject | None = None
    output_tokens_details: JsonObject | None = None

    def require_consistent(self) -> None:
        require_total(self.total_tokens, self.input_tokens, self.output_tokens)
        require_part_of(self.input_tokens, self.input_tokens_details, ("cached_tokens",))
        require_part_of(self.output_tokens, self.output_tokens_details, ("reasoning_tokens",))


class _Part(StrictModel):
    type: Literal["output_text"]
    text: str


class _Item(StrictModel):
    """A piece of an answer: a message, or a call of a tool."""

    type: Literal["message", "function_call"]
    id: Text
    status: Literal["in_progress", "completed", "incomplete"]
    role: Literal["assistant"] | None = None
    content: list[_Part] | None = None
    call_id: Text | None = None
    name: Text | None = None
    arguments: str | None = None

    def require_consistent(self) -> None:
        is_call = self.type == "function_call"
        self.require_fields(["call_id", "name", "arguments"] if is_call else ["role", "content"])
        if is_call and self.status == "completed":
            require_json_object(self.arguments or "")


class _Error(StrictModel):
    message: Text
    code: str | None = None


class _IncompleteDetails(StrictModel):
    reason: Literal["max_output_tokens", "content_filter"]


class _Response(StrictModel):
    """A response in any state; what it has to have depends on its status."""

    id: Annotated[str, Field(pattern="^resp_.")]
    object: Literal["response"]
    created_at: Annotated[float, AfterValidator(require_current_time)]
    completed_at: float | None = None
    model: Text
    status: Status
    output: list[_Item]
    usage: _Usage | None = None
    error: _Error | None = None
    incomplete_details: _IncompleteDetails | None = None

    def require_consistent(self) -> None:
        if self.completed_at is not None and self.completed_at < int(self.created_at):
            raise ValueError(f"completed_at {self.completed_at} is before created_at {self.created_at}")
        if (self.error is not None) != (self.status == "failed"):
            raise ValueError(f"the status {self.status} with the error {self.error!r}")
        if (self.incomplete_details is not None) != (self.status == "incomplete"):
            raise ValueError(f"the status {self.status} with incomplete_details {self.incomplete_details!r}")
        if self.status in ("completed", "incomplete") and self.usage is None:
            raise ValueError(f"the status {self.status} without usage")
        require_unique_ids(item.call_id for item in self.output)


class _Event(StreamEvent):
    """One event of a streamed response."""

    fields_of_type: ClassVar[Mapping[str, Sequence[str]]] = {
        **dict.fromkeys(("response.created", "response.queued", "response.in_progress"), ("response",)),
        **dict.fromkeys(TERMINAL_EVENTS, ("response",)),
        **dict.fromkeys(
            ("response.output_item.added", "response.output_item.done"), ("output_index", "item")
        ),
        **dict.fromkeys(
            ("response.content_part.added", "response.content_part.done"),
            ("output_index", "content_index", "part"),
        ),
        "response.output_text.delta": ("output_index", "content_index", "delta"),
        "response.output_text.done": ("output_index", "content_index", "text"),
        "response.function_call_arguments.delta": ("output_index", "delta"),
        "response.function_call_arguments.done": ("output_index", "arguments"),
    }
    common_fields = frozenset({"type", "sequence_number"})

    sequence_number: Count
    response: _Response | None = None
    output_index: Count | None = None
    item: _Item | None = None
    content_index: Count | None = None
    part: _Part | None = None
    delta: str | None = None
    text: str | None = None
    arguments: str | None = None


class _Deleted(StrictModel):
    """What deleting a response answers."""

    id: Annotated[str, Field(pattern="^resp_.")]
    object: Literal["response", "response.deleted"]
    deleted: Literal[True]


def sequence_numbers(events: Sequence[Json]) -> None:
    """The events are numbered from 0, without a gap."""
    numbers = [event["sequence_number"] for event in events]
    if numbers != list(range(len(numbers))):
        wrong = next(place for place, number in enumerate(numbers) if number != place)
        raise BrokenAt(wrong, f"the events are numbered {numbers}")


def one_start_one_end(events: Sequence[Json]) -> None:
    """response.created first; one end, last, whose response has that status; one id throughout."""
    kinds = [event["type"] for event in events]
    if kinds[0] != "response.created" or kinds.count("response.created") != 1:
        again = [number for number, kind in enumerate(kinds) if kind == "response.created" and number > 0]
        wrong = again[0] if kinds[0] == "response.created" else 0
        raise BrokenAt(wrong, f"a stream begins with one response.created: {kinds}")
    ends = [kind for kind in kinds if kind in TERMINAL_EVENTS]
    if len(ends) != 1 or kinds[-1] not in TERMINAL_EVENTS:
        message = f"a stream has one end, at its end: {ends}, then {kinds[-1]}"
        raise BrokenAt(kinds.index(ends[0]), message) if ends else ValueError(message)
    status = events[-1]["response"]["status"]
    if status != TERMINAL_EVENTS[kinds[-1]]:
        raise BrokenAt(len(events) - 1, f"{kinds[-1]} of a response whose status is {status}")
    ids = {event["response"]["id"] for event in events if "response" in event}
    if len(ids) != 1:
        own = events[0]["response"]["id"]
        other = first_index(events, lambda event: event.get("response", {}).get("id", own) != own)
        raise BrokenAt(other, f"the id of the response changes: {sorted(ids)}")


def items_complete(events: Sequence[Json]) -> None:
    """Items are numbered from 0 and come one after the other, so do their parts; what is added is done.

    The pieces of a text, or of a call's arguments, join to those of its part, its item and the response.
    """
    items: list[_OpenItem] = []
    for number, event in enumerate(events):
        if "output_index" in event:
            with at_document(number):
                _add_item_event(items, event)
    still = [number for number, item in enumerate(items) if item.is_open]
    if still:
        raise ValueError(f"the items {still} are not done")
    streamed = [item.content for item in items]
    at_the_end = [_item_content(item) for item in events[-1]["response"]["output"]]
    if streamed != at_the_end:
        raise ValueError(f"the stream has {streamed}, its end {at_the_end}")


def _add_item_event(items: list[_OpenItem], event: JsonMapping) -> None:
    """The next event of an item, which is the last one; raises ValueError when it does not fit."""
    index = event["output_index"]
    if event["type"] == "response.output_item.added":
        if index != len(items) or (items and items[-1].is_open):
            raise ValueError(f"item {index} is added when there are {len(items)}, or one is still open")
        items.append(_OpenItem(event["item"]))
    elif index != len(items) - 1 or not items[-1].is_open:
        raise ValueError(f"{event['type']} for item {index}, which is not open")
    else:
        items[-1].add_event(event)


class _OpenItem:
    """An item while its events are read. The arguments of a call are its only part."""

    def __init__(self, item: JsonMapping) -> None:
        self.is_open = True
        self.content: Json = None
        self._is_call = item["type"] == "function_call"
        self._named = _call_name(item)
        self._parts: list[str] = [""] if self._is_call else []
        self._part_is_open = self._is_call

    def add_event(self, event: JsonMapping) -> None:
        """The next event of this item; raises ValueError when it does not fit."""
        kind, index = event["type"].removeprefix("response."), event.get("content_index", 0)
        if kind == "output_item.done":
            self._close(event["item"])
        elif kind.startswith("function_call_arguments.") != self._is_call:
            raise ValueError(f"{kind} in a {'call' if self._is_call else 'message'}")
        elif kind == "content_part.added":
            if self._part_is_open or index != len(self._parts):
                raise ValueError(f"part {index} is added to {len(self._parts)}")
            self._part_is_open = True
            self._parts.append("")
        elif not self._part_is_open or index != len(self._parts) - 1:
            raise ValueError(f"{kind} for part {index}, which is not open")
        else:
            self._parts[-1] += event.get("delta", "")
            whole = event.get("arguments", event.get("part", event).get("text", self._parts[-1]))
            if whole != self._parts[-1]:
                raise ValueError(f"the pieces join to {self._parts[-1]!r:.100}, not to {whole!r:.100}")
            self._part_is_open = kind != "content_part.done"

    def _close(self, item: JsonMapping) -> None:
        if self._part_is_open and not self._is_call:
            raise ValueError("an item is done whose last part is not")
        self.is_open = False
        self.content = _item_content(item)
        if _call_name(item) != self._named:
            raise ValueError(f"the call {self._named} is added, and done as {_call_name(item)}")
        pieces = _joined_content(self._named, self._parts)
        if pieces != self.content:
            raise ValueError(f"the pieces join to {pieces!r:.100}, the item has {self.content!r:.100}")


def _call_name(item: JsonMapping) -> tuple[Json, Json] | None:
    """What a call is known by: its id and the name of its tool; None for a message."""
    return (item["call_id"], item["name"]) if item["type"] == "function_call" else None


def _item_content(item: JsonMapping) -> Json:
    is_call = item["type"] == "function_call"
    parts = [item["arguments"]] if is_call else [part["text"] for part in item["content"]]
    return _joined_content(_call_name(item), parts)


def _joined_content(named: tuple[Json, Json] | None, parts: list[str]) -> Json:
    """A call as its id, name and arguments, a message as its texts."""
    return parts if named is None else (*named, *parts)


def item_ids_constant(events: Sequence[Json]) -> None:
    """An item has one id: when it is added, when it is done, and in the whole response at the end."""
    ids: dict[str, list[str]] = {"added": [], "done": []}
    for event in events:
        if "item" in event:
            ids[event["type"].rpartition(".")[2]].append(event["item"]["id"])
    at_the_end = [item["id"] for item in events[-1]["response"]["output"]]
    if not ids["added"] == ids["done"] == at_the_end:
        done = [number for number, event in enumerate(events) if event["type"].endswith("output_item.done")]
        pairs = zip(done, ids["added"], ids["done"], strict=False)
        other = next((number for number, before, after in pairs if before != after), len(events) - 1)
        raise BrokenAt(
            other, f"ids when added {ids['added']}, when done {ids['done']}, at the end {at_the_end}"
        )


def normalize(parsed: ParsedResponse) -> NormalizedAnswer:
    """Text, status, counts and calls of a response; of a stream, its pieces and its end."""
    documents = [value for value in parsed.values if isinstance(value, dict)]
    last = (documents or [{}])[-1]
    response = (last.get("response") if parsed.streamed else last) or {}
    items = [item for item in response.get("output") or () if isinstance(item, dict)]
    texts = [
        part.get("text") or ""
        for item in items
        for part in item.get("content") or ()
        if isinstance(part, dict)
    ]
    pieces = [event.get("delta") for event in documents if event.get("type") == "response.output_text.delta"]
    streamed_text = "".join(piece for piece in pieces if isinstance(piece, str))
    calls = [item for item in items if item.get("type") == "function_call"]
    usage = response.get("usage") or {}
    counts = ("input_tokens", "output_tokens", "total_tokens")
    return {
        "text": streamed_text if parsed.streamed else "".join(texts),
        "texts": texts,
        "finish_reason": response.get("status"),
        "usage": {name: usage.get(name) for name in counts},
        **normalized_calls(
            [Call(call.get("call_id"), call.get("name"), call.get("arguments")) for call in calls]
        ),
        "id": response.get("id"),
        "pieces": sum(map(bool, pieces)),
    }


_EXTRA = extra_fields("responses")
_RESPONSE = frozenset(OfficialResponse.model_fields) | _EXTRA["response"]
_EVENT = frozenset(f"response.{name}" for name in _RESPONSE) | _EXTRA["event"]
_STREAM = (sequence_numbers, one_start_one_end, items_complete)

# The package distinguishes its events by hand. Here pydantic does, and reports errors of the right type.
_TaggedEvent: Any = Annotated[get_args(OfficialEvent)[0], Field(discriminator="type")]

CONTRACTS = {
    "response": Contract(_Response, extra_fields_allowed=_RESPONSE),
    "response stream": Contract(_Event, None, _EVENT, _STREAM, named_events=True),
    "official response": Contract(_Response, OfficialResponse, _RESPONSE),
    "official response stream": Contract(_Event, _TaggedEvent, _EVENT),
    "ids stream": Contract(_Event, None, _EVENT, (item_ids_constant,)),
    "deleted": Contract(_Deleted),
    "error": Contract(ErrorBody),
}

RESPONSES = Api(
    name="responses",
    title="Responses",
    contracts=CONTRACTS,
    health_case="responses.create.output.text",
    normalize=normalize,
    # mistral.rs sends it, as with chats; OpenAI does not, and its client does not mind.
    streams_end_with_done=None,
)
