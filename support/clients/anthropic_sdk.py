"""Anthropic's own Python client, end to end: what a program built on it does, and what it must get.

`_strict_response_validation` makes the client check types; no retries hide a failing answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic

from support.clients.task import Journey, went
from support.conformance.api import ApiServer

ANSWER = "The comet comes back every seventy-six years."
COMET: Any = [{"role": "user", "content": "Tell me about the comet"}]
WEATHER: Any = [{"role": "user", "content": "What is the weather?"}]
TOOLS: Any = [
    {
        "name": "get_weather",
        "description": "The weather of a city",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]
# The package's calls have no temperature of their own any more; the API has.
GREEDY = {"temperature": 0}
LONGER_THAN_ANY_CONTEXT = "word " * 40_000


def travel(server: ApiServer, name: str, within: float) -> Journey:
    """One journey by its name in `JOURNEYS`; what the client raises is what it got. `within`: seconds."""
    wanted, way = JOURNEYS[name]
    key = {"auth_token": server.key} if server.key else {"api_key": "not-asked-for"}
    with (
        anthropic.DefaultHttpxClient(trust_env=False, timeout=within) as transport,
        anthropic.Anthropic(
            base_url=server.base_url,
            max_retries=0,
            http_client=transport,
            _strict_response_validation=True,
            **key,  # type: ignore[arg-type]
        ) as client,
    ):
        return went(
            name,
            wanted,
            lambda: way(client, server.names["model"]),
            refused=anthropic.APIStatusError,
            failed=anthropic.AnthropicError,
        )


def _ask(client: anthropic.Anthropic, model: str, messages: Any = COMET, **more: Any) -> Any:
    return client.messages.create(model=model, messages=messages, max_tokens=100, extra_body=GREEDY, **more)


def _put_together(client: anthropic.Anthropic, model: str, messages: Any = COMET, **more: Any) -> Any:
    """The client's own helper that puts a stream together."""
    with client.messages.stream(
        model=model, messages=messages, max_tokens=100, extra_body=GREEDY, **more
    ) as stream:
        return stream.get_final_message()


def _text(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def _events(client: anthropic.Anthropic, model: str) -> str:
    events = _ask(client, model, stream=True)
    return "".join(event.delta.text for event in events if event.type == "content_block_delta")


def _assembled(client: anthropic.Anthropic, model: str) -> tuple[str, str | None]:
    message = _put_together(client, model)
    return _text(message), message.stop_reason


def _counted(client: anthropic.Anthropic, model: str) -> bool:
    before = client.messages.count_tokens(model=model, messages=COMET).input_tokens
    return bool(before == _ask(client, model).usage.input_tokens > 0)


def _calls(message: Any) -> list[tuple[str, Any]]:
    return [(block.name, block.input) for block in message.content if block.type == "tool_use"]


def _result(client: anthropic.Anthropic, model: str) -> str:
    """Calls the tool, sends its result, as a program does, with the blocks that came."""
    called = _ask(client, model, WEATHER, tools=TOOLS)
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "You are a pirate."}
        for block in called.content
        if block.type == "tool_use"
    ]
    turns = [{"role": "assistant", "content": called.content}, {"role": "user", "content": results}]
    return _text(_ask(client, model, [*WEATHER, *turns], tools=TOOLS))


def _why(client: anthropic.Anthropic, model: str, **more: Any) -> Any:
    """The kind of error that a client is told, by a status or by an event of a stream."""
    question: Any = [{"role": "user", "content": LONGER_THAN_ANY_CONTEXT}]
    try:
        answer = _ask(client, model, question, **more)
        return [event.type for event in answer] if more else _text(answer)
    except anthropic.APIStatusError as error:
        body: Any = error.body
        return body["error"]["type"] if isinstance(body, dict) else body


Way = Callable[[anthropic.Anthropic, str], Any]
# Name in the features -> what the client must bring home, and how it goes there.
JOURNEYS: dict[str, tuple[Any, Way]] = {
    "ask a question": (ANSWER, lambda client, model: _text(_ask(client, model))),
    "read a stream": (ANSWER, _events),
    "put a stream together": ((ANSWER, "end_turn"), _assembled),
    "count the tokens beforehand": (True, _counted),
    "read a tool call": (
        [("get_weather", {"city": "Oslo"})],
        lambda client, model: _calls(_ask(client, model, WEATHER, tools=TOOLS)),
    ),
    "put a streamed tool call together": (
        [("get_weather", {"city": "Oslo"})],
        lambda client, model: _calls(_put_together(client, model, WEATHER, tools=TOOLS)),
    ),
    "give back the result of a tool": ("Arr, matey! There be treasure on yonder island.", _result),
    "tell that a model is unknown": (
        "NotFoundError",
        lambda client, model: _ask(client, "nobody/knows-this").id,
    ),
    "tell why a question was refused": ("invalid_request_error", _why),
    "tell why a stream was refused": (
        "invalid_request_error",
        lambda client, model: _why(client, model, stream=True),
    ),
}
