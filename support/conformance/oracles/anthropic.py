"""Contracts of Anthropic's Messages API (Anthropic's API reference; type names as in its Python package).

Sources: Messages, Streaming Messages, Count Message tokens, Errors. The official types are the first oracle;
the models here close what they leave open: fields beyond them, the order of events, an end for every block.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, get_args

from anthropic import types as official
from pydantic import BaseModel, ConfigDict, Field

from support.conformance.api import Api, NormalizedAnswer
from support.conformance.contract import (
    BrokenAt,
    Contract,
    Count,
    StreamEvent,
    StrictModel,
    Text,
    extra_fields,
    first_index,
)
from support.conformance.response_parser import ParsedResponse
from support.conformance.tool_calls import Call, normalized_calls, require_unique_ids
from support.units import Json, JsonMapping, JsonObject

Reason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]

# What each kind of block is made of, and which field of a delta has its pieces.
DELTA_FIELDS = {
    "text": {"text_delta": "text"},
    "thinking": {"thinking_delta": "thinking", "signature_delta": "signature"},
    "tool_use": {"input_json_delta": "partial_json"},
}


class _Usage(StrictModel):
    input_tokens: Count
    output_tokens: Count


class _Block(StrictModel):
    """A piece of an answer: text, a thought, or a call of a tool."""

    type: Literal["text", "thinking", "tool_use"]
    text: str | None = None
    thinking: str | None = None
    id: Text | None = None
    name: Text | None = None
    input: JsonObject | None = None

    def require_consistent(self) -> None:
        self.require_fields(["id", "name", "input"] if self.type == "tool_use" else [self.type])


class _Message(StrictModel):
    """A whole answer of `/v1/messages`; as a stream begins, it is empty and without an end."""

    id: Text
    type: Literal["message"]
    role: Literal["assistant"]
    model: Text
    content: list[_Block]
    stop_reason: Reason | None = None
    stop_sequence: str | None = None
    usage: _Usage


class _Delta(StrictModel):
    """What an event adds: to a block, or to the message its end."""

    type: Text | None = None
    stop_reason: Reason | None = None
    stop_sequence: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None


class _DeltaUsage(StrictModel):
    output_tokens: Count
    input_tokens: Count | None = None


class _Event(StreamEvent):
    """One event of a streamed message."""

    fields_of_type: ClassVar[Mapping[str, Sequence[str]]] = {
        "message_start": ("message",),
        "content_block_start": ("index", "content_block"),
        "content_block_delta": ("index", "delta"),
        "content_block_stop": ("index",),
        "message_delta": ("delta", "usage"),
        "message_stop": (),
        "ping": (),
    }

    index: Count | None = None
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _DeltaUsage | None = None


class _TokenCount(StrictModel):
    """What `/v1/messages/count_tokens` answers."""

    input_tokens: Annotated[int, Field(gt=0)]


class _ErrorObject(StrictModel):
    type: Text
    message: Text


class _ErrorBody(StrictModel):
    type: Literal["error"]
    error: _ErrorObject


class _Ping(BaseModel):
    """The package reads over these, so it has no type for them."""

    model_config = ConfigDict(strict=True)
    type: Literal["ping"]


def stop_reason_consistent(answers: Sequence[Json]) -> None:
    """A whole message has a stop reason: `tool_use` with a call, `stop_sequence` with that sequence."""
    message = answers[0]
    _require_stop_reason_consistent(
        message.get("stop_reason"), message.get("stop_sequence"), message["content"]
    )


def _require_stop_reason_consistent(reason: object, sequence: object, content: Sequence[Json]) -> None:
    calls = [block["type"] for block in content].count("tool_use")
    if reason is None:
        raise ValueError("no stop_reason")
    if bool(calls) != (reason == "tool_use"):
        raise ValueError(f"{calls} calls of tools with the stop_reason {reason!r}")
    if (sequence is not None) != (reason == "stop_sequence"):
        raise ValueError(f"the stop_sequence {sequence!r} with the stop_reason {reason!r}")


def one_start_one_stop(events: Sequence[Json]) -> None:
    """message_start first, message_stop last, each once; after a message_delta nothing but the end."""
    numbered = [(number, event["type"]) for number, event in enumerate(events) if event["type"] != "ping"]
    kinds = [kind for _, kind in numbered]
    for place, kind in ((0, "message_start"), (-1, "message_stop")):
        if kinds.count(kind) != 1 or kinds[place] != kind:
            allowed = numbered[place][0] if numbered else None
            misplaced = [number for number, found in numbered if found == kind and number != allowed]
            message = f"a stream has one {kind}, at its {'end' if place else 'beginning'}: {kinds}"
            raise BrokenAt(misplaced[0], message) if misplaced else ValueError(message)
    if "message_delta" not in kinds:
        raise ValueError(f"a stream without message_delta: {kinds}")
    begin = kinds.index("message_delta")
    late = [(number, kind) for number, kind in numbered[begin:-1] if kind != "message_delta"]
    if late:
        names = ", ".join(sorted({kind for _, kind in late}))
        raise BrokenAt(late[0][0], f"after message_delta there is {names}")


def blocks_complete(events: Sequence[Json]) -> None:
    """Blocks are numbered from 0, one after the other: each starts, gets pieces of its kind, and stops."""
    begun, kind = -1, None
    for number, event in enumerate(events):
        what = event["type"].removeprefix("content_block_")
        if what == event["type"]:
            continue
        index = event["index"]
        if what == "start":
            if kind is not None or index != begun + 1:
                opened = " is open" if kind else ""
                raise BrokenAt(number, f"block {index} starts after block {begun}{opened}")
            begun, kind = index, event["content_block"]["type"]
        elif kind is None or index != begun:
            raise BrokenAt(number, f"{event['type']} for block {index}, which is not open")
        elif what == "stop":
            kind = None
        elif event["delta"].get("type") not in DELTA_FIELDS[kind]:
            raise BrokenAt(number, f"a {event['delta'].get('type')} in a block of the type {kind}")
    if kind is not None:
        raise ValueError(f"block {begun} does not stop")


def one_message_delta(events: Sequence[Json]) -> None:
    """The message starts empty; one message_delta has the stop reason, and that fits the content."""
    first = first_index(events, lambda event: event["type"] == "message_start")
    start = events[first]["message"]
    if start["content"] or start.get("stop_reason") is not None:
        raise BrokenAt(
            first, f"message_start is not empty: {start['content']!r}, {start.get('stop_reason')!r}"
        )
    deltas = [
        (number, event["delta"]) for number, event in enumerate(events) if event["type"] == "message_delta"
    ]
    reasons = [delta.get("stop_reason") for _, delta in deltas]
    given = [number for number, delta in deltas if delta.get("stop_reason") is not None]
    if len(given) != 1:
        message = f"the stop reasons {reasons}: not one"
        raise BrokenAt(given[1], message) if given else ValueError(message)
    whole = assemble(events)
    _require_stop_reason_consistent(whole["stop_reason"], whole["stop_sequence"], whole["content"])


def tool_inputs_are_objects(events: Sequence[Json]) -> None:
    """The pieces of a call's input join to a JSON object."""
    for block in assemble(events)["content"]:
        if block["type"] == "tool_use" and not isinstance(block["input"], dict):
            raise ValueError(f"the input of {block['name']} is no JSON object: {block['input']!r:.100}")


def tool_inputs_start_empty(events: Sequence[Json]) -> None:
    """A tool_use block starts with an empty input: all of it comes in the deltas."""
    for number, event in enumerate(events):
        block = event.get("content_block") or {}
        if block.get("type") == "tool_use" and block["input"]:
            raise BrokenAt(
                number, f"the block of {block['name']} starts with the input {block['input']!r:.100}"
            )


def call_ids_unique(message: Sequence[Json]) -> None:
    """The tool calls of a message have ids of their own."""
    require_unique_ids(block["id"] for block in message[0]["content"] if block["type"] == "tool_use")


def streamed_call_ids_unique(events: Sequence[Json]) -> None:
    """The same for a stream."""
    call_ids_unique([assemble(events)])


def assemble(events: Sequence[Json]) -> JsonObject:
    """The message that a stream adds up to; never raises."""
    message: JsonObject = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": {}}
    for event in events:
        kind, blocks = event.get("type"), message["content"]
        if kind == "message_start":
            message |= event.get("message") or {}
            message["content"] = []
        elif kind == "content_block_start":
            blocks.append({**(event.get("content_block") or {}), "joined": ""})
        elif kind == "content_block_delta" and blocks:
            delta = event.get("delta") or {}
            field = DELTA_FIELDS.get(str(blocks[-1].get("type")), {}).get(str(delta.get("type")))
            blocks[-1]["joined"] += delta.get(field) or "" if field != "signature" else ""
        elif kind == "message_delta":
            message |= event.get("delta") or {}
            message["usage"] = {**message["usage"], **(event.get("usage") or {})}
    message["content"] = [_join_deltas(block) for block in message["content"]]
    return message


def _join_deltas(block: JsonMapping) -> JsonObject:
    whole = {name: value for name, value in block.items() if name != "joined"}
    kind, joined = block.get("type"), block["joined"]
    if kind in ("text", "thinking"):
        whole[kind] = (block.get(kind) or "") + joined
    elif joined:
        try:
            whole["input"] = json.loads(joined)
        except ValueError:
            whole["input"] = joined
    return whole


def normalize(parsed: ParsedResponse) -> NormalizedAnswer:
    """Text, end, counts and calls of a message, whole or put together from its stream."""
    documents = [value for value in parsed.values if isinstance(value, dict)]
    message = assemble(documents) if parsed.streamed else (documents or [{}])[0]
    blocks = [block for block in message.get("content") or () if isinstance(block, dict)]
    texts = [block.get("text") or "" for block in blocks if block.get("type") == "text"]
    calls = [block for block in blocks if block.get("type") == "tool_use"]
    usage = message.get("usage") or {}
    return {
        "text": "".join(texts),
        "texts": texts,
        "thinking": "".join(block.get("thinking") or "" for block in blocks),
        "finish_reason": message.get("stop_reason"),
        "usage": {name: usage.get(name) for name in ("input_tokens", "output_tokens")},
        **normalized_calls([Call(call.get("id"), call.get("name"), call.get("input")) for call in calls]),
        "id": message.get("id"),
        "pieces": sum(event.get("type") == "content_block_delta" for event in documents),
    }


def _official_fields(kind: type[BaseModel], path: str = "") -> frozenset[str]:
    """Fields of the official type, which are allowed where the own model has none."""
    return frozenset(f"{path}{name}" for name in kind.model_fields)


_EXTRA = extra_fields("anthropic")
_MESSAGE = _official_fields(official.Message) | _official_fields(official.Usage, "usage.") | _EXTRA["message"]
_EVENT = (
    frozenset(f"message.{name}" for name in _MESSAGE)
    | _official_fields(official.MessageDeltaUsage, "usage.")
    | _EXTRA["event"]
)

# The package distinguishes its events by hand. Here pydantic does, and reports errors of the right type.
_TaggedEvent: Any = Annotated[
    get_args(official.RawMessageStreamEvent)[0] | _Ping, Field(discriminator="type")
]

CONTRACTS = {
    "message": Contract(_Message, official.Message, _MESSAGE, (stop_reason_consistent, call_ids_unique)),
    "message stream": Contract(
        _Event,
        _TaggedEvent,
        _EVENT,
        (
            one_start_one_stop,
            blocks_complete,
            one_message_delta,
            tool_inputs_start_empty,
            tool_inputs_are_objects,
            streamed_call_ids_unique,
        ),
        named_events=True,
    ),
    "tokens": Contract(_TokenCount, official.MessageTokensCount),
    "error": Contract(_ErrorBody, official.ErrorResponse, _EXTRA["error"]),
}

ANTHROPIC = Api(
    name="anthropic",
    title="Anthropic",
    contracts=CONTRACTS,
    health_case="anthropic.messages.content.text",
    normalize=normalize,
)
