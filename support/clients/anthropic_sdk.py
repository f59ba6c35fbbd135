"""Anthropic's own Python client, end to end: what a program built on it does and has to get.

`_strict_response_validation` makes the client check types; no retries hide a failing answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2

from support.http.client import tls_context
from support.http.recorder import ExchangeRecorder
from support.models.script import COMET_ANSWER
from support.name_registry import NameRegistry
from support.servers.endpoints import Endpoint
from support.units import Json

REJECTED, FAILED = anthropic.APIStatusError, anthropic.AnthropicError
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
COUNTED = "as many tokens in advance as in the usage"
LONGER_THAN_ANY_CONTEXT = "word " * 40_000


def connect(server: Endpoint, timeout: float, recorder: ExchangeRecorder) -> anthropic.Anthropic:
    """The client on a server, which closes its transport; `timeout`: seconds for each response."""
    key = {"auth_token": server.key} if server.key else {"api_key": "none"}
    # A transport of its own: the default one uses the proxies of the environment in spite of `trust_env`.
    transport = httpx2.HTTPTransport(verify=tls_context(server.base_url), trust_env=False)
    return anthropic.Anthropic(
        base_url=server.base_url,
        max_retries=0,
        http_client=anthropic.DefaultHttpxClient(
            trust_env=False, timeout=timeout, transport=transport, event_hooks=recorder.hooks
        ),
        _strict_response_validation=True,
        **key,  # type: ignore[arg-type]
    )


def _create(client: anthropic.Anthropic, model: str, messages: Any = COMET, **more: Any) -> Any:
    return client.messages.create(model=model, messages=messages, max_tokens=100, extra_body=GREEDY, **more)


def _final_message(client: anthropic.Anthropic, model: str, messages: Any = COMET, **more: Any) -> Any:
    """The client's own helper that puts a stream together."""
    with client.messages.stream(
        model=model, messages=messages, max_tokens=100, extra_body=GREEDY, **more
    ) as stream:
        return stream.get_final_message()


def _text(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def _stream(client: anthropic.Anthropic, model: str) -> str:
    events = _create(client, model, stream=True)
    return "".join(event.delta.text for event in events if event.type == "content_block_delta")


def _stream_helper(client: anthropic.Anthropic, model: str) -> tuple[str, str | None]:
    message = _final_message(client, model)
    return _text(message), message.stop_reason


def _count_matches_usage(client: anthropic.Anthropic, model: str) -> str:
    before = client.messages.count_tokens(model=model, messages=COMET).input_tokens
    spent = _create(client, model).usage.input_tokens
    return COUNTED if before == spent > 0 else f"{before} tokens in advance, {spent} in the usage"


def _tool_calls(message: Any) -> list[tuple[str, Json]]:
    return [(block.name, block.input) for block in message.content if block.type == "tool_use"]


def _send_tool_result(client: anthropic.Anthropic, model: str) -> str:
    """Requests the tool call and sends its result, with the blocks of the answer."""
    called = _create(client, model, WEATHER, tools=TOOLS)
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "You are a pirate."}
        for block in called.content
        if block.type == "tool_use"
    ]
    turns = [{"role": "assistant", "content": called.content}, {"role": "user", "content": results}]
    return _text(_create(client, model, [*WEATHER, *turns], tools=TOOLS))


def _error_type(client: anthropic.Anthropic, model: str, **more: object) -> object:
    """The type of an error, from a response or from an event of a stream."""
    question: Any = [{"role": "user", "content": LONGER_THAN_ANY_CONTEXT}]
    try:
        answer = _create(client, model, question, **more)
        return [event.type for event in answer] if more else _text(answer)
    except anthropic.APIStatusError as error:
        body: Json = error.body
        return body["error"]["type"] if isinstance(body, dict) else body


ANTHROPIC_TASKS: NameRegistry[tuple[object, Callable[[anthropic.Anthropic, str], object]]] = NameRegistry(
    "task",
    {
        "ask a question": (COMET_ANSWER, lambda client, model: _text(_create(client, model))),
        "read a stream": (COMET_ANSWER, _stream),
        "assemble a stream": ((COMET_ANSWER, "end_turn"), _stream_helper),
        "count tokens in advance": (COUNTED, _count_matches_usage),
        "read a tool call": (
            [("get_weather", {"city": "Oslo"})],
            lambda client, model: _tool_calls(_create(client, model, WEATHER, tools=TOOLS)),
        ),
        "assemble a streamed tool call": (
            [("get_weather", {"city": "Oslo"})],
            lambda client, model: _tool_calls(_final_message(client, model, WEATHER, tools=TOOLS)),
        ),
        "send back a tool result": ("Arr, matey! There be treasure on yonder island.", _send_tool_result),
        "report an unknown model": (
            "NotFoundError",
            lambda client, _model: _create(client, "nobody/knows-this").id,
        ),
        "report why a request was rejected": ("invalid_request_error", _error_type),
        "report why a stream was rejected": (
            "invalid_request_error",
            lambda client, model: _error_type(client, model, stream=True),
        ),
    },
)
