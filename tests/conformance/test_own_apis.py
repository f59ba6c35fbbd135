"""The Responses and Messages APIs: their tables can be kept, and each way to break a contract is noticed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from support.conformance.api import find_api
from support.conformance.case_runner import run_case
from support.conformance.case_table import cases_of
from support.conformance.missing_routes import MissingRoutes
from support.conformance.oracles.anthropic import assemble
from support.conformance.response_parser import ConformanceError, ParsedResponse, parse
from support.servers.endpoints import Endpoint
from tests.conformance.fake_apis import FakeOwn
from tests.conformance.samples import exchange

NAMES = {"model": "tiny"}
Spoil = Callable[[Any], Any]
ROWS = [(api, title) for api in ("responses", "anthropic") for title in cases_of(api)]


@pytest.mark.parametrize(("api", "title"), ROWS, ids=[title for _, title in ROWS])
def test_every_row_can_be_kept(api: str, title: str) -> None:
    fake: Any = FakeOwn()
    result = run_case(fake, Endpoint("fake", api, fake.base_url, NAMES), cases_of(api)[title])
    assert result.passed, result.reason


def made(api: str, title: str) -> list[Any]:
    """The documents of a good answer to a row."""
    fake: Any = FakeOwn()
    case = cases_of(api)[title]
    request = case.request.build(NAMES)
    return reading_of(fake.send(request.method, request.path, body=request.body), api, case.kind).values


def reading_of(answer: Any, api: str, kind: str) -> ParsedResponse:
    return parse(answer, kind, ends_with_done=find_api(api).streams_end_with_done)


def reading(api: str, documents: list[Any], names: list[str] | None = None, end: str = "") -> ParsedResponse:
    """The same documents as they would come: one as JSON, several as events."""
    if names is None and len(documents) == 1:
        return reading_of(exchange(json.dumps(documents[0]).encode()), api, "json")
    names = names or [event["type"] for event in documents]
    events = zip(names, documents, strict=True)
    text = "".join(f"event: {name}\ndata: {json.dumps(event)}\n\n" for name, event in events)
    return reading_of(exchange((text + end).encode(), content_type="text/event-stream"), api, "sse")


def noticed(api: str, title: str, contract: str, spoil: Spoil) -> ConformanceError:
    """What the contract says to the answer to a row that was spoiled; the unspoiled one is kept."""
    documents = made(api, title)
    find_api(api).contracts[contract].check(reading(api, documents))
    spoiled = copy.deepcopy(documents)
    changed = spoil(spoiled)
    with pytest.raises(ConformanceError) as error:
        find_api(api).contracts[contract].check(reading(api, spoiled if changed is None else changed))
    return error.value


def put(path: str, value: Any) -> Spoil:
    """Replaces what lies at a path of the documents (`...` as value: removes it)."""

    def spoil(documents: list[Any]) -> None:
        place: Any = documents
        *way, last = [int(word) if word.lstrip("-").isdigit() else word for word in path.split(".")]
        for step in way:
            place = place[step]
        if value is ...:
            del place[last]
        else:
            place[last] = value

    return spoil


def without(kind: str) -> Spoil:
    """Loses the events of a type."""
    return lambda events: renumbered([event for event in events if event["type"] != kind])


def twice(kind: str) -> Spoil:
    """Says the events of a type twice."""
    return lambda events: renumbered(
        [again for event in events for again in [event] * (1 + (event["type"] == kind))]
    )


def last_to(place: int) -> Spoil:
    """Moves the last event to another place."""
    return lambda events: renumbered([*events[:place], events[-1], *events[place:-1]])


def renumbered(events: list[Any]) -> list[Any]:
    numbered = "sequence_number" in events[0]
    return [
        {**event, "sequence_number": number} if numbered else event for number, event in enumerate(events)
    ]


MESSAGE, CALLED = "anthropic.messages.content.text", "anthropic.tools.call.input"


@pytest.mark.parametrize(
    ("title", "spoil", "layer", "seen"),
    [
        (MESSAGE, put("0.id", ""), "contract", "id"),
        (MESSAGE, put("0.role", "user"), "official type", "role"),
        (MESSAGE, put("0.content", "text"), "official type", "content"),
        (MESSAGE, put("0.content.0.text", ...), "official type", "text"),
        (MESSAGE, put("0.content.0.mood", "good"), "contract", "content.mood"),
        (MESSAGE, put("0.usage.input_tokens", ...), "official type", "input_tokens"),
        (MESSAGE, put("0.usage.output_tokens", -1), "contract", "output_tokens"),
        (MESSAGE, put("0.stop_reason", "stop"), "official type", "stop_reason"),
        (MESSAGE, put("0.stop_reason", None), "invariants", "no stop_reason"),
        (MESSAGE, put("0.stop_reason", "tool_use"), "invariants", "0 calls"),
        (MESSAGE, put("0.stop_reason", "stop_sequence"), "invariants", "stop_sequence None"),
        (MESSAGE, put("0.stop_sequence", "x"), "invariants", "'x' with the stop_reason"),
        (MESSAGE, put("0.stop_reason", ...), "invariants", "no stop_reason"),
        (MESSAGE, put("0.choices", []), "contract", "unknown fields: choices"),
        (CALLED, put("0.stop_reason", "end_turn"), "invariants", "1 calls"),
        (CALLED, put("0.content.0.input", '{"city": "Oslo"}'), "official type", "content.0"),
        (CALLED, put("0.content.0.id", ...), "official type", "content.0"),
    ],
)
def test_a_spoiled_message_is_noticed(title: str, spoil: Spoil, layer: str, seen: str) -> None:
    broken = noticed("anthropic", title, "message", spoil)
    assert broken.layer == layer and seen in broken.actual, broken


STREAM, STREAMED_CALL = (
    "anthropic.stream.text.shortest",
    "anthropic.stream.tools.same",
)
# The events of the shortest message: start, ping, block start, delta, block stop, delta, stop.
START, PING, BLOCK, PIECE, STOP, END = range(6)


@pytest.mark.parametrize(
    ("title", "spoil", "layer", "seen"),
    [
        (STREAM, without("message_start"), "invariants", "one message_start"),
        (STREAM, without("message_stop"), "invariants", "one message_stop"),
        (STREAM, without("message_delta"), "invariants", "without message_delta"),
        (STREAM, without("content_block_start"), "invariants", "not open"),
        (STREAM, without("content_block_stop"), "invariants", "does not stop"),
        (STREAM, twice("message_start"), "invariants", "one message_start"),
        (STREAM, twice("message_stop"), "invariants", "one message_stop"),
        (STREAM, twice("content_block_start"), "invariants", "is open"),
        (STREAM, twice("content_block_stop"), "invariants", "not open"),
        (STREAM, twice("message_delta"), "invariants", "not one"),
        (STREAM, last_to(END), "invariants", "one message_stop"),
        (
            STREAM,
            lambda events: [*events[:4], events[END], events[STOP], events[6]],
            "invariants",
            "after message_delta",
        ),
        (STREAM, put(f"{BLOCK}.index", 1), "invariants", "block 1 starts"),
        (STREAM, put(f"{PIECE}.index", 1), "invariants", "not open"),
        (
            STREAM,
            put(f"{PIECE}.delta", {"type": "input_json_delta", "partial_json": "{}"}),
            "invariants",
            "of the type text",
        ),
        (STREAM, put(f"{PIECE}.delta.text", ...), "official type", "text"),
        (STREAM, put(f"{PIECE}.surprise", 1), "contract", "unknown fields: surprise"),
        (STREAM, put(f"{PIECE}.delta.surprise", 1), "contract", "delta.surprise"),
        (STREAM, put(f"{START}.message.content", [{"type": "text", "text": "x"}]), "invariants", "not empty"),
        (STREAM, put(f"{START}.message.stop_reason", "end_turn"), "invariants", "not empty"),
        (STREAM, put(f"{START}.message.usage", ...), "official type", "usage"),
        (STREAM, put(f"{END}.delta.stop_reason", None), "invariants", "not one"),
        (STREAM, put(f"{END}.delta.stop_reason", "tool_use"), "invariants", "0 calls"),
        (STREAM, put(f"{END}.usage", ...), "official type", "usage"),
        (
            STREAM,
            put("-1", {"type": "error", "error": {"type": "api_error", "message": "x"}}),
            "official type",
            "error",
        ),
        (STREAMED_CALL, put("3.delta.partial_json", ""), "invariants", "no JSON object"),
        (STREAMED_CALL, put("-2.delta.stop_reason", "end_turn"), "invariants", "1 calls"),
    ],
)
def test_a_spoiled_stream_of_a_message_is_noticed(title: str, spoil: Spoil, layer: str, seen: str) -> None:
    broken = noticed("anthropic", title, "message stream", spoil)
    assert broken.layer == layer and seen in broken.actual, broken


@pytest.mark.parametrize(
    ("api", "title", "contract"),
    [
        ("anthropic", STREAM, "message stream"),
        ("responses", "responses.stream.end.single", "response stream"),
    ],
)
def test_events_have_the_name_of_their_type(api: str, title: str, contract: str) -> None:
    documents = made(api, title)
    with pytest.raises(ConformanceError, match="framing: event 1 is named 'message', its data is a"):
        find_api(api).contracts[contract].check(reading(api, documents, ["message"] * len(documents)))


DONE = "data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("api", "end", "layer"),
    [
        ("responses", "", ""),
        ("responses", DONE, ""),
        ("responses", DONE * 2, "framing"),
        ("responses", f"{DONE}data: {{}}\n\n", "framing"),
        ("anthropic", "", ""),
        ("anthropic", DONE, "JSON"),
    ],
)
def test_what_may_come_after_the_last_event(api: str, end: str, layer: str) -> None:
    title = STREAM if api == "anthropic" else "responses.stream.end.single"
    documents = made(api, title)
    if not layer:
        assert reading(api, documents, end=end).values == documents
        return
    with pytest.raises(ConformanceError, match=f"^{layer}: "):
        reading(api, documents, end=end)


@pytest.mark.parametrize(
    ("contract", "document"),
    [
        ("tokens", {"input_tokens": 0}),
        ("tokens", {"input_tokens": "5"}),
        ("tokens", {"input_tokens": 5, "total": 5}),
        ("error", {"error": {"type": "invalid_request_error", "message": "x"}}),
        ("error", {"type": "error", "error": {"type": "invalid_request_error"}}),
        ("error", {"type": "error", "error": {"type": "oops", "message": "x"}}),
        ("error", {"type": "error", "error": {"type": "api_error", "message": ""}}),
        ("error", {"message": "x"}),
    ],
)
def test_spoiled_counts_and_errors_are_noticed(contract: str, document: Any) -> None:
    with pytest.raises(ConformanceError):
        find_api("anthropic").contracts[contract].check(reading("anthropic", [document]))


RESPONSE, CUT = (
    "responses.create.output.text",
    "responses.create.max_output_tokens.status",
)


@pytest.mark.parametrize(
    ("title", "spoil", "seen"),
    [
        (RESPONSE, put("0.id", "chatcmpl-1"), "id"),
        (RESPONSE, put("0.created_at", 5), "present time"),
        (RESPONSE, put("0.status", "done"), "status"),
        (RESPONSE, put("0.status", "failed"), "failed with the error"),
        (RESPONSE, put("0.error", {"code": "x", "message": "x"}), "completed with the error"),
        (RESPONSE, put("0.usage", None), "without usage"),
        (RESPONSE, put("0.usage.total_tokens", 1), "total_tokens 1"),
        (RESPONSE, put("0.usage.input_tokens_details", {"cached_tokens": 999}), "cached_tokens is 999"),
        (RESPONSE, put("0.usage.output_tokens_details", {"reasoning_tokens": 99}), "reasoning_tokens is 99"),
        (RESPONSE, put("0.completed_at", 5), "completed_at 5.0 is before created_at"),
        (RESPONSE, put("0.completed_at", "5"), "completed_at: Input should be a valid number"),
        (RESPONSE, put("0.output.0.content", None), "without content"),
        (RESPONSE, put("0.output.0.role", "user"), "role"),
        (RESPONSE, put("0.output.0.type", "text"), "type"),
        (RESPONSE, put("0.choices", []), "unknown fields: choices"),
        (CUT, put("0.usage", None), "incomplete without usage"),
        ("responses.tools.call", put("0.output.0.arguments", ""), "arguments that are no JSON: ''"),
        (CUT, put("0.incomplete_details", None), "incomplete with incomplete_details None"),
        ("responses.tools.call", put("0.output.0.arguments", "{"), "no JSON"),
        ("responses.tools.call", put("0.output.0.arguments", "[]"), "no JSON object"),
        ("responses.tools.call", put("0.output.0.call_id", ...), "without call_id"),
    ],
)
def test_a_spoiled_response_is_noticed(title: str, spoil: Spoil, seen: str) -> None:
    broken = noticed("responses", title, "response", spoil)
    assert broken.layer == "contract" and seen in broken.actual, broken


def test_a_response_may_be_completed_in_the_second_in_which_it_was_created() -> None:
    (document,) = made("responses", RESPONSE)
    document["completed_at"] = int(document["created_at"])
    find_api("responses").contracts["response"].check(reading("responses", [document]))


WHOLE, CALL = "responses.stream.text.deltas", "responses.stream.tools.call"
DELTA, TEXT_DONE = "response.output_text.delta", "response.output_text.done"


def changed(kind: str, path: str, value: Any) -> Spoil:
    """Replaces something in the first event of a type."""

    def spoil(events: list[Any]) -> None:
        number = next(number for number, event in enumerate(events) if event["type"] == kind)
        put(f"{number}.{path}", value)(events)

    return spoil


@pytest.mark.parametrize(
    ("title", "spoil", "layer", "seen"),
    [
        (WHOLE, put("1.sequence_number", 7), "invariants", "numbered"),
        (WHOLE, without("response.created"), "invariants", "begins with"),
        (WHOLE, twice("response.created"), "invariants", "begins with"),
        (WHOLE, without("response.completed"), "invariants", "one end"),
        (WHOLE, twice("response.completed"), "invariants", "one end"),
        (WHOLE, last_to(5), "invariants", "one end"),
        (WHOLE, put("-1.response.id", "resp_other"), "invariants", "id of the response changes"),
        (WHOLE, put("-1.response.status", "in_progress"), "invariants", "whose status is in_progress"),
        (WHOLE, without("response.output_item.added"), "invariants", "not open"),
        (WHOLE, twice("response.output_item.added"), "invariants", "item 0 is added"),
        (WHOLE, without("response.output_item.done"), "invariants", "not done"),
        (WHOLE, twice("response.output_item.done"), "invariants", "not open"),
        (WHOLE, changed("response.output_item.added", "output_index", 1), "invariants", "item 1 is added"),
        (WHOLE, without("response.content_part.added"), "invariants", "part 0, which is not open"),
        (WHOLE, twice("response.content_part.added"), "invariants", "is added to 1"),
        (WHOLE, without("response.content_part.done"), "invariants", "whose last part is not"),
        (WHOLE, changed(DELTA, "content_index", 1), "invariants", "part 1, which is not open"),
        (WHOLE, changed(DELTA, "delta", ""), "invariants", "join to"),
        (WHOLE, twice(DELTA), "invariants", "join to"),
        (WHOLE, changed(TEXT_DONE, "text", "x"), "invariants", "join to"),
        (WHOLE, changed("response.content_part.done", "part.text", "x"), "invariants", "join to"),
        (WHOLE, changed("response.output_item.done", "item.content.0.text", "x"), "invariants", "item has"),
        (WHOLE, put("-1.response.output", []), "invariants", "its end"),
        (WHOLE, put("-1.response.output.0.content.0.text", "x"), "invariants", "its end"),
        (WHOLE, changed(DELTA, "delta", ...), "contract", "output_text.delta has"),
        (WHOLE, changed(DELTA, "delta", None), "contract", "output_text.delta without delta"),
        (WHOLE, changed("response.created", "response", None), "contract", "without response"),
        (WHOLE, changed("response.output_item.added", "item", None), "contract", "without item"),
        (WHOLE, changed(DELTA, "surprise", 1), "contract", "surprise"),
        (WHOLE, put("3.type", "response.surprise"), "contract", "type"),
        (CALL, changed("response.function_call_arguments.delta", "delta", "x"), "invariants", "join to"),
        (CALL, changed("response.function_call_arguments.done", "arguments", "{}"), "invariants", "join to"),
        (CALL, without("response.function_call_arguments.delta"), "invariants", "join to"),
    ],
)
def test_a_spoiled_stream_of_a_response_is_noticed(title: str, spoil: Spoil, layer: str, seen: str) -> None:
    broken = noticed("responses", title, "response stream", spoil)
    assert broken.layer == layer and seen in broken.actual, broken


def test_what_openais_types_want_and_the_ids_of_items_are_noticed() -> None:
    for path, seen in (("0.tool_choice", "tool_choice"), ("0.output.0.content.0.annotations", "annotations")):
        assert seen in noticed("responses", RESPONSE, "official response", put(path, ...)).actual
    spoil = changed(DELTA, "item_id", ...)
    assert "item_id" in noticed("responses", WHOLE, "official response stream", spoil).actual
    for spoil in (
        changed("response.output_item.added", "item.id", "x"),
        changed("response.output_item.done", "item.id", "x"),
        put("-1.response.output.0.id", "x"),
    ):
        assert "ids when added" in noticed("responses", WHOLE, "ids stream", spoil).actual


@pytest.mark.parametrize(
    "document",
    [
        {"id": "resp_1", "object": "response", "deleted": False},
        {"id": "resp_1", "object": "chat", "deleted": True},
        {"deleted": True, "object": "response"},
    ],
)
def test_a_spoiled_deletion_is_noticed(document: Any) -> None:
    with pytest.raises(ConformanceError):
        find_api("responses").contracts["deleted"].check(reading("responses", [document]))


@pytest.mark.parametrize("api", ["responses", "anthropic"])
def test_a_view_never_raises(api: str) -> None:
    lists: tuple[list[Any], ...] = (
        [None],
        [[]],
        [{}],
        [{"content": None, "output": None, "usage": None}],
        [5],
    )
    for documents in lists:
        assert find_api(api).normalize(reading(api, documents))["text"] == ""
    events: list[Any] = [
        {"type": "content_block_delta"},
        {"type": "response.completed"},
        {"type": "message_delta"},
    ]
    assert find_api(api).normalize(reading(api, events))["text"] == ""


NO_CALLS: dict[str, Any] = {"tool_calls": [], "call_ids": [], "calls_with_id": []}
STREAMED_BLOCKS: list[Any] = [
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "before any block"}},
    {
        "type": "message_start",
        "message": {"id": "m", "content": [{"type": "text"}], "usage": {"input_tokens": 5}},
    },
    {"type": "content_block_start", "content_block": {"type": "thinking", "thinking": "H"}},
    {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "m"}},
    {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "x"}},
    {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hel"}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "not of a text"}},
    {
        "type": "content_block_start",
        "content_block": {"type": "tool_use", "id": "c", "name": "f", "input": {}},
    },
    {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": '{"a":'}},
    {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "1}"}},
    {
        "type": "content_block_start",
        "content_block": {"type": "tool_use", "id": "d", "name": "g", "input": {}},
    },
    {"type": "content_block_start", "content_block": {"type": "tool_use", "name": "h", "input": {}}},
    {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{"}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}},
]
BLOCKS: list[Any] = [
    {"type": "thinking", "thinking": "Hm"},
    {"type": "text", "text": "Hel"},
    {"type": "text", "text": "lo"},
    {"type": "text"},
    {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
    5,
]
OUTPUT: list[Any] = [
    {"type": "message", "content": [{"text": "Hel"}, {"text": "lo"}, 5, {}]},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a": 1}', "content": None},
    5,
]
COUNTS = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
ENDED = {"id": "resp_1", "status": "completed", "output": OUTPUT, "usage": {**COUNTS, "more": 1}}


@pytest.mark.parametrize(
    ("api", "documents", "view"),
    [
        (
            "anthropic",
            STREAMED_BLOCKS,
            {
                "text": "Hello",
                "texts": ["Hello"],
                "thinking": "Hm",
                "finish_reason": "tool_use",
                "usage": {"input_tokens": 5, "output_tokens": 7},
                "tool_calls": [
                    {"name": "f", "arguments": {"a": 1}},
                    {"name": "g", "arguments": {}},
                    {"name": "h", "arguments": "{"},
                ],
                "call_ids": ["c", "d", None],
                "calls_with_id": [True, True, False],
                "id": "m",
                "pieces": 9,
            },
        ),
        (
            "anthropic",
            [{"id": "m", "content": BLOCKS, "stop_reason": "end_turn", "usage": {**COUNTS, "more": 1}}],
            {
                "text": "Hello",
                "texts": ["Hel", "lo", ""],
                "thinking": "Hm",
                "finish_reason": "end_turn",
                "usage": {"input_tokens": 5, "output_tokens": 7},
                "tool_calls": [{"name": "f", "arguments": {"a": 1}}],
                "call_ids": ["c"],
                "calls_with_id": [True],
                "id": "m",
                "pieces": 0,
            },
        ),
        (
            "responses",
            [ENDED],
            {
                "text": "Hello",
                "texts": ["Hel", "lo", ""],
                "finish_reason": "completed",
                "usage": COUNTS,
                "tool_calls": [{"name": "f", "arguments": {"a": 1}}],
                "call_ids": ["c"],
                "calls_with_id": [True],
                "id": "resp_1",
                "pieces": 0,
            },
        ),
        (
            "responses",
            [
                {"type": "response.created", "response": {"id": "x", "status": "in_progress"}},
                {"type": "response.output_text.delta", "delta": "Hel"},
                {"type": "response.output_text.delta", "delta": ""},
                {"type": "response.output_text.delta", "delta": 5},
                {"type": "response.output_text.delta", "delta": "l"},
                {"type": "response.function_call_arguments.delta", "delta": "{}"},
                {"type": "response.completed", "response": {"id": "resp_1", "status": "failed"}},
            ],
            {
                **NO_CALLS,
                "text": "Hell",
                "texts": [],
                "finish_reason": "failed",
                "usage": dict.fromkeys(COUNTS),
                "id": "resp_1",
                "pieces": 3,
            },
        ),
    ],
    ids=["message stream", "message", "response", "response stream"],
)
def test_a_view_has_texts_calls_and_counts(api: str, documents: list[Any], view: dict[str, Any]) -> None:
    assert find_api(api).normalize(reading(api, documents)) == view


def test_a_stream_adds_up_to_a_message_whatever_its_blocks_are() -> None:
    empty: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": {}}
    assert assemble([]) == empty
    events: list[Any] = [
        {"type": "content_block_start"},
        {"type": "content_block_delta", "delta": {"text": "of no type"}},
        {"type": "content_block_start", "content_block": {"type": "image", "id": "i"}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "of no image"}},
        {"type": "content_block_start", "content_block": {"type": "text"}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
    ]
    blocks = [{}, {"type": "image", "id": "i"}, {"type": "text", "text": "a"}]
    assert assemble(events) == {**empty, "content": blocks}


def test_a_missing_route_is_known_to_walks_as_well() -> None:
    routes = MissingRoutes()
    case = cases_of("responses")[RESPONSE]
    assert routes.reason_for_route("server", case.route) is None
    routes.mark_missing("server", case)
    assert "has no POST /v1/responses" in str(routes.reason_for_route("server", case.route))
    assert routes.reason_for_route("other", case.route) is None
