"""OpenAI's own Python client, end to end: what a program built on it does and has to get.

`_strict_response_validation` makes the client check types, and no retries hide a failing answer (it would
repeat 408, 409, 429 and 5xx twice). As an oracle it is weak: the cases check more.

With the Responses API it does not check types, as programs use it: what its types demand beyond the API is a
case of its own (`cases/responses`). No version of mistral.rs keeps it, and the client copes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai

from support.clients.task import COUNTED
from support.http.client import tls_context
from support.http.recorder import ExchangeRecorder
from support.models.script import COMET_ANSWER
from support.name_registry import NameRegistry
from support.servers.endpoints import Endpoint
from support.waiting import wait_until

REJECTED, FAILED = openai.APIStatusError, openai.OpenAIError
COMET = "Tell me about the comet"
QUESTION: Any = [{"role": "user", "content": COMET}]
PROMPT = "<|im_start|>user\nTell me about the comet<|im_end|>\n<|im_start|>assistant\n"
WEATHER: Any = {
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
DONE_SECONDS = 30.0
LISTED = "the model in the list"
REJECTED_REQUEST = "BadRequestError or UnprocessableEntityError"


def connect(server: Endpoint, timeout: float, recorder: ExchangeRecorder) -> openai.OpenAI:
    """The client on a server, which closes its transport; `timeout`: seconds for each response."""
    return openai.OpenAI(
        base_url=f"{server.base_url}/v1",
        api_key=server.key or "none",
        max_retries=0,
        http_client=openai.DefaultHttpxClient(
            trust_env=False,
            timeout=timeout,
            verify=tls_context(server.base_url),
            event_hooks=recorder.hooks,
        ),
        _strict_response_validation=server.api != "responses",
    )


def _create(client: openai.OpenAI, model: str, messages: Any = QUESTION, **more: Any) -> Any:
    return client.chat.completions.create(
        model=model, messages=messages, max_tokens=100, temperature=0, **more
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
    tools = [{"type": "function", "function": WEATHER}]
    answer = _create(client, model, [{"role": "user", "content": "What is the weather?"}], tools=tools)
    calls = answer.choices[0].message.tool_calls or ()
    return [(call.function.name, json.loads(call.function.arguments)) for call in calls]


def _streamed_tool_calls(client: openai.OpenAI, model: str) -> object:
    """The client's own helper puts them together; it parses the arguments of strict tools alone."""
    tools: Any = [{"type": "function", "function": {**WEATHER, "strict": True}}]
    messages: Any = [{"role": "user", "content": "What is the weather?"}]
    with client.chat.completions.stream(
        model=model, messages=messages, tools=tools, max_tokens=100, temperature=0
    ) as stream:
        calls: list[Any] = [*(stream.get_final_completion().choices[0].message.tool_calls or ())]
    return [(call.function.name, json.loads(call.function.arguments)) for call in calls]


def _usage_adds_up(client: openai.OpenAI, model: str) -> str:
    usage = _create(client, model).usage
    if usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0:
        return COUNTED
    return (
        f"{usage.prompt_tokens} tokens of the prompt, {usage.completion_tokens} of the answer, "
        f"{usage.total_tokens} in all"
    )


def _bad_request_raises(client: openai.OpenAI, model: str) -> str:
    wrong: Any = 5
    try:
        answer = client.chat.completions.create(model=model, messages=wrong)
    except (openai.BadRequestError, openai.UnprocessableEntityError):
        return REJECTED_REQUEST
    return f"an answer: {answer.choices[0].message.content!r}"


def _find_model(client: openai.OpenAI, model: str) -> str:
    listed = [card.id for card in client.models.list()]
    return LISTED if model in listed else f"{model!r} is not among {listed}"


def _respond(client: openai.OpenAI, model: str, question: Any = COMET, **more: Any) -> Any:
    return client.responses.create(model=model, input=question, max_output_tokens=100, temperature=0, **more)


def _response_stream(client: openai.OpenAI, model: str) -> str:
    events = _respond(client, model, stream=True)
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


def _response_stream_helper(client: openai.OpenAI, model: str) -> str:
    """The client's own helper that puts a stream together; it insists on items that keep their ids."""
    try:
        with client.responses.stream(
            model=model, input=COMET, max_output_tokens=100, temperature=0
        ) as stream:
            return stream.get_final_response().output_text
    except RuntimeError as error:
        return f"{type(error).__name__}: {error}"


def _follow_up(client: openai.OpenAI, model: str) -> str:
    first = _respond(client, model, "My name is Mara")
    return str(_respond(client, model, "What am I called?", previous_response_id=first.id).output_text)


def _retrieve_and_delete(client: openai.OpenAI, model: str) -> tuple[str, str]:
    """Reads a response again, deletes it, and looks for it once more."""
    made = _respond(client, model)
    again = client.responses.retrieve(made.id).output_text
    client.responses.delete(made.id)
    try:
        return again, client.responses.retrieve(made.id).id
    except openai.NotFoundError:
        return again, "gone"


def _wait_for_background(client: openai.OpenAI, model: str) -> tuple[str | None, str]:
    begun = _respond(client, model, background=True)
    seen = [begun]

    def done() -> Any:
        seen.append(client.responses.retrieve(begun.id))
        return None if seen[-1].status in ("queued", "in_progress") else seen[-1]

    response = wait_until("the response", done, timeout=DONE_SECONDS, seen=lambda: seen[-1].status)
    return response.status, response.output_text


def _response_tool_calls(client: openai.OpenAI, model: str) -> object:
    tools = [{"type": "function", "strict": False, **WEATHER}]
    answer = _respond(client, model, "What is the weather?", tools=tools)
    return [(item.name, json.loads(item.arguments)) for item in answer.output if item.type == "function_call"]


OPENAI_TASKS: NameRegistry[tuple[object, Callable[[openai.OpenAI, str], object]]] = NameRegistry(
    "task",
    {
        "ask a question": (
            COMET_ANSWER,
            lambda client, model: _create(client, model).choices[0].message.content,
        ),
        "count the tokens": (COUNTED, _usage_adds_up),
        "read a stream": (COMET_ANSWER, _stream),
        "assemble a stream": (COMET_ANSWER, _stream_helper),
        "request a completion": (COMET_ANSWER, _complete),
        "find the model in the list": (LISTED, _find_model),
        "read a tool call": ([("get_weather", {"city": "Oslo"})], _tool_calls),
        "assemble a streamed tool call": ([("get_weather", {"city": "Oslo"})], _streamed_tool_calls),
        "report an unknown model": (
            "NotFoundError",
            lambda client, _model: _create(client, "nobody/knows-this").id,
        ),
        "report an unknown URL": (
            "NotFoundError",
            lambda client, _model: client.post("/nobody-knows-this", cast_to=object, body={}),
        ),
        "report an invalid request": (REJECTED_REQUEST, _bad_request_raises),
    },
)

RESPONSES_TASKS: NameRegistry[tuple[object, Callable[[openai.OpenAI, str], object]]] = NameRegistry(
    "task",
    {
        "get a response": (COMET_ANSWER, lambda client, model: _respond(client, model).output_text),
        "read a streamed response": (COMET_ANSWER, _response_stream),
        "assemble a streamed response": (COMET_ANSWER, _response_stream_helper),
        "continue from a response": ("You are Mara, and I will remember it.", _follow_up),
        "retrieve and delete a response": ((COMET_ANSWER, "gone"), _retrieve_and_delete),
        "wait for a background response": (("completed", COMET_ANSWER), _wait_for_background),
        "read the tool call of a response": ([("get_weather", {"city": "Oslo"})], _response_tool_calls),
        "report an unknown response": (
            "NotFoundError",
            lambda client, _model: client.responses.retrieve("resp_nobody").id,
        ),
    },
)
