"""OpenAI's own Python client, end to end: what a program built on it does, and what it must get.

`_strict_response_validation` makes the client check types, and no retries hide a failing answer (it would
repeat 408, 409, 429 and 5xx twice). As an oracle it is weak: the cases check more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import openai

from support.clients.task import TaskResult, run_task
from support.http.client import tls_context
from support.servers.endpoint import Endpoint

ANSWER = "The comet comes back every seventy-six years."
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


def run(server: Endpoint, name: str, timeout: float) -> TaskResult:
    """Run a task of `TASKS`; an error of the client is its result. `timeout`: seconds for each response."""
    return run_with_openai(TASKS, server, name, timeout, strict=True)


def run_with_openai(
    tasks: Mapping[str, tuple[object, Callable[[openai.OpenAI, str], object]]],
    server: Endpoint,
    name: str,
    timeout: float,
    *,
    strict: bool,
) -> TaskResult:
    """One of these journeys; `strict`: the client checks types."""
    wanted, way = tasks[name]
    with (
        openai.DefaultHttpxClient(
            trust_env=False, timeout=timeout, verify=tls_context(server.base_url)
        ) as transport,
        openai.OpenAI(
            base_url=f"{server.base_url}/v1",
            api_key=server.key or "not-asked-for",
            max_retries=0,
            http_client=transport,
            _strict_response_validation=strict,
        ) as client,
    ):
        return run_task(
            name,
            wanted,
            lambda: way(client, server.variables["model"]),
            refused=openai.APIStatusError,
            failed=openai.OpenAIError,
        )


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


TaskFunction = Callable[[openai.OpenAI, str], object]
# Name in the features -> what the client must bring home, and how it goes there.
TASKS: dict[str, tuple[object, TaskFunction]] = {
    "ask a question": (ANSWER, lambda client, model: _create(client, model).choices[0].message.content),
    "count the tokens": (True, _usage_adds_up),
    "read a stream": (ANSWER, _stream),
    "assemble a stream": (ANSWER, _stream_helper),
    "request a completion": (ANSWER, _complete),
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
}
