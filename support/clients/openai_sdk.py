"""OpenAI's own Python client, end to end: what a program built on it does and has to get.

`_strict_response_validation` makes the client check types, and no retries hide a failing answer (it would
repeat 408, 409, 429 and 5xx twice). As an oracle it is weak: the cases check more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai

from support.http.client import tls_context
from support.models.script import COMET_ANSWER
from support.name_registry import NameRegistry
from support.servers.endpoint import Endpoint

REJECTED, FAILED = openai.APIStatusError, openai.OpenAIError
QUESTION: Any = [{"role": "user", "content": "Tell me about the comet"}]
PROMPT = "<|im_start|>user\nTell me about the comet<|im_end|>\n<|im_start|>assistant\n"
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


@contextmanager
def connect(server: Endpoint, timeout: float, *, strict: bool = True) -> Iterator[openai.OpenAI]:
    """The client on a server; `timeout`: seconds for each response, `strict`: it checks types."""
    with (
        openai.DefaultHttpxClient(
            trust_env=False, timeout=timeout, verify=tls_context(server.base_url)
        ) as transport,
        openai.OpenAI(
            base_url=f"{server.base_url}/v1",
            api_key=server.key or "none",
            max_retries=0,
            http_client=transport,
            _strict_response_validation=strict,
        ) as client,
    ):
        yield client


def _create(client: openai.OpenAI, model: str, **more: Any) -> Any:
    return client.chat.completions.create(
        model=model, messages=QUESTION, max_tokens=100, temperature=0, **more
    )


def _stream(client: openai.OpenAI, model: str) -> str:
    chunks = _create(client, model, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def _stream_helper(client: openai.OpenAI, model: str) -> str | None:
    """The client's own helper that puts a stream together."""
    with client.chat.completions.stream(
        model=model, messages=QUESTION, max_tokens=100, temperature=0
    ) as stream:
        return stream.get_final_completion().choices[0].message.content


def _complete(client: openai.OpenAI, model: str) -> str:
    return client.completions.create(model=model, prompt=PROMPT, max_tokens=50, temperature=0).choices[0].text


def _tool_calls(client: openai.OpenAI, model: str) -> object:
    messages: Any = [{"role": "user", "content": "What is the weather?"}]
    answer = client.chat.completions.create(
        model=model, messages=messages, tools=[WEATHER], max_tokens=100, temperature=0
    )
    calls: list[Any] = [*(answer.choices[0].message.tool_calls or [])]
    return [(call.function.name, json.loads(call.function.arguments)) for call in calls]


def _usage_adds_up(client: openai.OpenAI, model: str) -> bool:
    usage = _create(client, model).usage
    return bool(usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0)


def _bad_request_raises(client: openai.OpenAI, model: str) -> bool:
    wrong: Any = 5
    try:
        client.chat.completions.create(model=model, messages=wrong)
    except (openai.BadRequestError, openai.UnprocessableEntityError):
        return True
    return False


TASKS: NameRegistry[tuple[object, Callable[[openai.OpenAI, str], object]]] = NameRegistry(
    "task",
    {
        "ask a question": (
            COMET_ANSWER,
            lambda client, model: _create(client, model).choices[0].message.content,
        ),
        "count the tokens": (True, _usage_adds_up),
        "read a stream": (COMET_ANSWER, _stream),
        "assemble a stream": (COMET_ANSWER, _stream_helper),
        "request a completion": (COMET_ANSWER, _complete),
        "find the model in the list": (
            True,
            lambda client, model: model in [card.id for card in client.models.list()],
        ),
        "read a tool call": ([("get_weather", {"city": "Oslo"})], _tool_calls),
        "report an unknown model": (
            "NotFoundError",
            lambda client, _model: _create(client, "nobody/knows-this").id,
        ),
        "report an unknown URL": (
            "NotFoundError",
            lambda client, _model: client.post("/nobody-knows-this", cast_to=object, body={}),
        ),
        "report an invalid request": (True, _bad_request_raises),
    },
)
