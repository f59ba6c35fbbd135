"""Broken streamed tool calls fail the cases about them, for each API and each fault.

The rows of the tables are run on a good server behind a proxy that spoils the events of its streams.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from support.conformance.api import find_api
from support.conformance.case_runner import Outcome, run_case
from support.conformance.case_table import cases_of
from support.http.exchange import Exchange
from support.servers.endpoints import Endpoint
from tests.conformance.fake_apis import FakeOwn
from tests.conformance.samples import NOW, USAGE
from tests.conformance.test_ollama_contract import METRICS
from tests.conformance.test_ollama_contract import NOW as TIMESTAMP

Events = list[Any]
Fault = Callable[[Events], Events]
CALLS = {
    "weather": [("get_weather", {"city": "Oslo"})],
    "errands": [
        ("get_weather", {"city": "Bergen", "days": 3}),
        ("buy_ticket", {"from": "Oslo", "return": True}),
    ],
}
ROWS = {
    "openai": ("openai.chat.tools.stream_same", "openai.chat.tools.two_calls_streamed"),
    "v1": ("ollama.v1_chat.tools.stream_same", "ollama.v1_chat.tools.two_calls_streamed"),
    "ollama": ("ollama.tools.call.streamed_one", "ollama.tools.call.streamed"),
    "anthropic": ("anthropic.stream.tools.same", "anthropic.stream.tools.two"),
    "responses": ("responses.stream.tools.same", "responses.stream.tools.two_calls"),
}
SINGLE_CALLS = (
    "openai.chat.tools.two_calls",
    "ollama.v1_chat.tools.two_calls",
    "ollama.tools.call.index",
    "anthropic.tools.call.two",
    "responses.tools.two_calls",
)


class FaultProxy(FakeOwn):
    """A server of all APIs; `fault` changes the events of its streams, `whole_fault` its whole answers."""

    def __init__(self, fault: Fault | None = None, whole_fault: Fault | None = None) -> None:
        super().__init__()
        self._fault = fault
        self._whole_fault = whole_fault

    def handle(self, method: str, path: str, body: bytes) -> tuple[int, str, bytes]:
        """Status, media type and body of an answer."""
        asked = json.loads(body)
        streamed = asked.get("stream", path.startswith("/api/"))
        if path.startswith(("/v1/messages", "/v1/responses")):
            status, kind, answer = super().handle(method, path, body)
            named = kind == "text/event-stream"
            documents = _events(answer) if named else [json.loads(answer)]
        else:
            said = asked["messages"][-1]["content"]
            calls = next(calls for word, calls in CALLS.items() if word in said)
            make = _ollama_answer if path.startswith("/api/") else _openai_answer
            status, documents = 200, list(make(calls, streamed=streamed))
        fault = self._fault if streamed else self._whole_fault
        documents = fault(documents) if fault else documents
        if not streamed:
            return status, "application/json", json.dumps(documents[0]).encode()
        if path.startswith("/api/"):
            return (
                status,
                "application/x-ndjson",
                "".join(f"{json.dumps(each)}\n" for each in documents).encode(),
            )
        end = "" if path.startswith("/v1/messages") else "data: [DONE]\n\n"
        return status, "text/event-stream", ("".join(map(_event, documents)) + end).encode()

    def send(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Exchange:
        return super().send(method, path, body=body, headers=headers)


def _event(document: Any) -> str:
    name = f"event: {document['type']}\n" if "type" in document else ""
    return f"{name}data: {json.dumps(document)}\n\n"


def _events(body: bytes) -> Events:
    data = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    return [json.loads(each) for each in data if each != "[DONE]"]


def _openai_answer(calls: Any, *, streamed: bool) -> Iterator[Any]:
    head = {"id": "1", "created": NOW, "model": "tiny", "usage": None}
    named: list[Any] = [
        {
            "id": f"call_{at}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for at, (name, arguments) in enumerate(calls)
    ]
    if not streamed:
        message = {"role": "assistant", "content": None, "tool_calls": named}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        yield {**head, "object": "chat.completion", "choices": [choice], "usage": USAGE}
        return
    pieces = []
    for at, call in enumerate(named):
        text = call["function"]["arguments"]
        pieces.append({**call, "index": at, "function": {**call["function"], "arguments": ""}})
        pieces += [{"index": at, "function": {"arguments": part}} for part in (text[:9], text[9:])]
    deltas: list[Any] = [
        {"role": "assistant", "content": None},
        *({"tool_calls": [piece]} for piece in pieces),
        {},
    ]
    for at, delta in enumerate(deltas):
        reason = "tool_calls" if at == len(deltas) - 1 else None
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        yield {**head, "object": "chat.completion.chunk", "choices": [choice]}


def _ollama_answer(calls: Any, *, streamed: bool) -> Iterator[Any]:
    head = {"model": "tiny", "created_at": TIMESTAMP}
    made = [
        {"id": f"call_{at}", "function": {"index": at, "name": name, "arguments": arguments}}
        for at, (name, arguments) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": ""}
    for call in made if streamed else ():
        yield {**head, "message": {**message, "tool_calls": [call]}, "done": False}
    end = message if streamed else {**message, "tool_calls": made}
    yield {**head, "message": end, "done": True, **METRICS}


# -- faults


def calls_of(event: Any) -> list[Any]:
    """The parts of an event that are about a tool call, in any API; empty for others."""
    choice = (event.get("choices") or [{}])[0]
    part = choice.get("delta") or choice.get("message") or event.get("message") or {}
    found = list(part.get("tool_calls") or ()) if isinstance(part, dict) else []
    found += [each for each in event.get("content") or () if each.get("type") == "tool_use"]
    found += [each for each in event.get("output") or () if each.get("type") == "function_call"]
    if (event.get("content_block") or {}).get("type") == "tool_use":
        found.append(event["content_block"])
    if (event.get("item") or {}).get("type") == "function_call":
        found.append(event["item"])
    return found


def arguments_at(events: Events) -> list[int]:
    """The events with a part of the arguments."""
    return [
        at
        for at, event in enumerate(events)
        if event.get("type") == "response.function_call_arguments.delta"
        or (event.get("delta") or {}).get("type") == "input_json_delta"
        or any("id" not in call and call["function"].get("arguments") for call in calls_of(event))
    ]


def renumbered(events: Events) -> Events:
    """The events of the Responses API with their numbers in order again."""
    return [
        {**event, "sequence_number": at} if "sequence_number" in event else event
        for at, event in enumerate(events)
    ]


def repeat_arguments(events: Events) -> Events:
    at = arguments_at(events)[0]
    return renumbered([*events[: at + 1], events[at], *events[at + 1 :]])


def lose_arguments(events: Events) -> Events:
    lost = arguments_at(events)[:2]
    return renumbered([event for at, event in enumerate(events) if at not in lost])


def truncate_arguments(events: Events) -> Events:
    at = arguments_at(events)[1]
    return renumbered([event for place, event in enumerate(events) if place != at])


def lose_last_call(events: Events) -> Events:
    """Without the last call, as if the model had not made it."""
    name = [call for event in events for call in calls_of(event) if call.get("id")][-1]
    return [event for event in events if name not in calls_of(event)]


def change_calls(change: Callable[[Any], None]) -> Fault:
    """Changes each part of an event that is about a call and has its id."""

    def fault(events: Events) -> Events:
        for event in events:
            for call in calls_of(event):
                if "id" in call or "call_id" in call:
                    change(call)
        return events

    return fault


def without(name: str) -> Fault:
    return change_calls(lambda call: call.pop(name, None))


def same_index(events: Events) -> Events:
    """Every call has the index 0."""
    for event in events:
        for call in calls_of(event):
            place = call["function"] if "index" in call.get("function", {}) else call
            if "index" in place:
                place["index"] = 0
        for name in ("index", "output_index"):
            if name in event:
                event[name] = 0
    return events


def index_gap(events: Events) -> Events:
    """The second call has the index 2."""
    for event in events:
        for place in [event, *calls_of(event), *(call.get("function", {}) for call in calls_of(event))]:
            for name in ("index", "output_index"):
                if place.get(name) == 1:
                    place[name] = 2
    return events


def name_again(events: Events) -> Events:
    """Each piece of the arguments has the name of its tool."""
    for at in arguments_at(events):
        for call in calls_of(events[at]):
            call["function"]["name"] = "get_weather"
    return events


def id_again(events: Events) -> Events:
    for at in arguments_at(events):
        for call in calls_of(events[at]):
            call["id"] = f"call_{call['index']}"
    return events


def set_reason(reason: str) -> Fault:
    """Another reason why the answer ended."""

    def fault(events: Events) -> Events:
        for event in events:
            for choice in event.get("choices") or ():
                choice["finish_reason"] = choice["finish_reason"] and reason
            if (event.get("delta") or {}).get("stop_reason"):
                event["delta"]["stop_reason"] = reason
        return events

    return fault


def other_text(old: str, new: str) -> Fault:
    """Another text everywhere: valid JSON, but not what the whole answer has."""
    return lambda events: json.loads(json.dumps(events).replace(old, new))


def one_id(events: Events) -> Events:
    return change_calls(
        lambda call: call.update({name: "call_x" for name in ("id", "call_id") if name in call})
    )(events)


def judged(api: str, row: str, proxy: FaultProxy) -> Outcome:
    name = "ollama" if api == "v1" else api
    client: Any = proxy
    return run_case(client, Endpoint("proxy", name, proxy.base_url, {"model": "tiny"}), cases_of(name)[row])


@pytest.mark.parametrize("api", ROWS)
def test_good_streamed_calls_pass(api: str) -> None:
    for row in ROWS[api]:
        assert judged(api, row, FaultProxy()).reason == ""


@pytest.mark.parametrize("row", SINGLE_CALLS)
def test_two_whole_calls_pass_and_one_of_them_does_not(row: str) -> None:
    api = row.partition(".")[0]
    assert judged(api, row, FaultProxy()).reason == ""

    def lose_one(documents: Events) -> Events:
        return json.loads(json.dumps(documents).replace("buy_ticket", "get_weather"))  # type: ignore[no-any-return]

    assert "expectation" in judged(api, row, FaultProxy(whole_fault=lose_one)).reason
    assert "two tool calls have one id" in judged(api, row, FaultProxy(whole_fault=one_id)).reason


OPENAI_FAULTS: list[tuple[Fault, int, str]] = [
    (repeat_arguments, 0, "invariants: tool call 0 (get_weather) has arguments that are no JSON"),
    (lose_arguments, 0, "invariants: tool call 0 (get_weather) has arguments that are no JSON: ''"),
    (truncate_arguments, 0, "invariants: tool call 0 (get_weather) has arguments that are no JSON"),
    (other_text("Oslo", "Bergen"), 0, "expectation: tool_calls"),
    (without("id"), 0, "invariants: tool call 0 begins without id"),
    (without("type"), 0, "invariants: tool call 0 begins without type"),
    (change_calls(lambda call: call["function"].pop("name")), 0, "tool call 0 begins without name"),
    (same_index, 1, "invariants: two tool calls have the index 0: 'call_0' and 'call_1'"),
    (index_gap, 1, "invariants: tool call 2 begins when there are 1 calls"),
    (one_id, 1, "invariants: two tool calls have one id"),
    (name_again, 0, "invariants: tool call 0 has its name again"),
    (id_again, 0, "invariants: tool call 0 has its id again"),
    (set_reason("stop"), 0, "invariants: 1 tool calls with the finish reason 'stop'"),
    (
        lambda events: [event for event in events if not calls_of(event)],
        0,
        "0 tool calls with the finish reason",
    ),
    (
        lambda events: [e for e in events if all(c["index"] == 0 for c in calls_of(e))],
        1,
        "expectation: tool_calls",
    ),
]
OLLAMA_FAULTS: list[tuple[Fault, int, str]] = [
    (other_text('"city": "Oslo"', '"ignored": 1'), 0, "expectation: tool_calls"),
    (other_text('{"city": "Oslo"}', '"{}"'), 0, "official type"),
    (other_text('"arguments"', '"ignored"'), 0, "official type"),
    (lose_last_call, 1, "expectation: length(tool_calls)"),
    (lambda events: [events[0], *events], 1, "invariants: the tool calls are numbered [0, 0, 1]"),
    (same_index, 1, "invariants: the tool calls are numbered [0, 0]"),
    (index_gap, 1, "invariants: the tool calls are numbered [0, 2]"),
    (one_id, 1, "invariants: two tool calls have one id"),
    (without("id"), 1, "repetition: calls_with_id"),
    (change_calls(lambda call: call["function"].pop("name")), 0, "official type"),
]
ANTHROPIC_FAULTS: list[tuple[Fault, int, str]] = [
    (repeat_arguments, 0, "invariants: the input of get_weather is no JSON object"),
    (lose_arguments, 0, "expectation: tool_calls"),
    (truncate_arguments, 0, "invariants: the input of get_weather is no JSON object"),
    (change_calls(lambda call: call.update(input={"city": "Oslo"})), 0, "starts with the input"),
    (without("id"), 0, "official type"),
    (without("type"), 0, "official type"),
    (without("name"), 0, "official type"),
    (same_index, 1, "invariants: block 0 starts after block 0"),
    (index_gap, 1, "invariants: block 2 starts after block 0"),
    (one_id, 1, "invariants: two tool calls have one id"),
    (set_reason("end_turn"), 0, "invariants: 1 calls of tools with the stop_reason 'end_turn'"),
    (other_text("Bergen", "Oslo"), 1, "expectation: tool_calls"),
]
RESPONSES_FAULTS: list[tuple[Fault, int, str]] = [
    (repeat_arguments, 0, "invariants: the pieces join to"),
    (lose_arguments, 0, "invariants: the pieces join to"),
    (truncate_arguments, 0, "invariants: the pieces join to"),
    (without("id"), 0, "contract: chunk 3 of 8: item.id"),
    (without("call_id"), 0, "contract: chunk 3 of 8: item"),
    (without("type"), 0, "contract: chunk 3 of 8: item"),
    (without("name"), 0, "contract: chunk 3 of 8: item"),
    (same_index, 1, "invariants: item 0 is added when there are 1"),
    (index_gap, 1, "invariants: item 2 is added when there are 1"),
    (one_id, 1, "invariants: the stream has"),
    (other_text("Bergen", "Oslo"), 1, "expectation: tool_calls"),
]


@pytest.mark.parametrize(
    ("api", "fault", "row", "words"),
    [
        *(("openai", *each) for each in OPENAI_FAULTS),
        *(("v1", *each) for each in OPENAI_FAULTS),
        *(("ollama", *each) for each in OLLAMA_FAULTS),
        *(("anthropic", *each) for each in ANTHROPIC_FAULTS),
        *(("responses", *each) for each in RESPONSES_FAULTS),
    ],
    ids=lambda value: getattr(value, "__name__", None) if callable(value) else None,
)
def test_each_fault_of_streamed_calls_fails_its_case(api: str, fault: Fault, row: int, words: str) -> None:
    outcome = judged(api, ROWS[api][row], FaultProxy(fault))
    # Without the numbers of chunks as well.
    found = [outcome.reason, *(f"{layer}: {text}" for layer, text in outcome.texts)]
    assert words in "\n".join(found), outcome.reason or "it passed"


@pytest.mark.parametrize("api", ROWS)
def test_calls_that_differ_from_the_whole_answer_fail(api: str) -> None:
    for old, new in (("Oslo", "Rome"), ("get_weather", "get_time")):
        outcome = judged(api, ROWS[api][0], FaultProxy(whole_fault=other_text(old, new)))
        assert "repetition: tool_calls was" in outcome.reason, outcome.reason


def test_the_spacing_of_arguments_is_no_difference() -> None:
    def compact(documents: Events) -> Events:
        for call in documents[0]["choices"][0]["message"]["tool_calls"]:
            call["function"]["arguments"] = call["function"]["arguments"].replace(" ", "")
        return documents

    assert judged("openai", ROWS["openai"][0], FaultProxy(whole_fault=compact)).passed


def test_calls_of_several_choices_are_kept_apart() -> None:
    chunks = list(_openai_answer(CALLS["weather"], streamed=True))
    for chunk in chunks:
        (choice,) = chunk["choices"]
        chunk["choices"] = [choice, {**choice, "index": 1}]
    body = "".join(map(_event, chunks)) + "data: [DONE]\n\n"
    answer = Exchange("POST", "/", {}, b"", 200, {"content-type": "text/event-stream"}, body.encode(), 0.1)
    api = find_api("openai")
    parsed = api.check_response(answer, status=[200], kind="sse", contracts=["chat stream"])
    assert api.normalize(parsed)["tool_calls"] == [{"name": "get_weather", "arguments": {"city": "Oslo"}}] * 2
