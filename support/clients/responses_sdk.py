"""OpenAI's own Python client with the Responses API, end to end, as programs use it: not strict about types.

What its types demand beyond that is a case of its own (`cases/responses`): no version of mistral.rs keeps it,
and the client copes. No retries hide a failing answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import openai

from support.clients import openai_sdk
from support.models.script import COMET_ANSWER
from support.name_registry import NameRegistry
from support.waiting import wait_until

QUESTION = "Tell me about the comet"
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}
DONE_SECONDS = 30.0
connect = partial(openai_sdk.connect, strict=False)
REJECTED, FAILED = openai_sdk.REJECTED, openai_sdk.FAILED


def _create(client: openai.OpenAI, model: str, question: Any = QUESTION, **more: Any) -> Any:
    return client.responses.create(model=model, input=question, max_output_tokens=100, temperature=0, **more)


def _stream(client: openai.OpenAI, model: str) -> str:
    events = _create(client, model, stream=True)
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


def _stream_helper(client: openai.OpenAI, model: str) -> str:
    """The client's own helper that puts a stream together; it insists on items that keep their ids."""
    try:
        with client.responses.stream(
            model=model, input=QUESTION, max_output_tokens=100, temperature=0
        ) as stream:
            return stream.get_final_response().output_text
    except RuntimeError as error:
        return f"{type(error).__name__}: {error}"


def _follow_up(client: openai.OpenAI, model: str) -> str:
    first = _create(client, model, "My name is Mara")
    return str(_create(client, model, "What am I called?", previous_response_id=first.id).output_text)


def _retrieve_and_delete(client: openai.OpenAI, model: str) -> tuple[str, str]:
    """Reads a response again, deletes it, and looks for it once more."""
    made = _create(client, model)
    again = client.responses.retrieve(made.id).output_text
    client.responses.delete(made.id)
    try:
        return again, client.responses.retrieve(made.id).id
    except openai.NotFoundError:
        return again, "gone"


def _wait_for_background(client: openai.OpenAI, model: str) -> tuple[str | None, str]:
    begun = _create(client, model, background=True)
    seen = [begun]

    def done() -> Any:
        seen.append(client.responses.retrieve(begun.id))
        return None if seen[-1].status in ("queued", "in_progress") else seen[-1]

    response = wait_until("the response", done, timeout=DONE_SECONDS, seen=lambda: seen[-1].status)
    return response.status, response.output_text


def _tool_calls(client: openai.OpenAI, model: str) -> object:
    answer = _create(client, model, "What is the weather?", tools=[WEATHER])
    return [(item.name, json.loads(item.arguments)) for item in answer.output if item.type == "function_call"]


TASKS: NameRegistry[tuple[object, Callable[[openai.OpenAI, str], object]]] = NameRegistry(
    "task",
    {
        "get a response": (COMET_ANSWER, lambda client, model: _create(client, model).output_text),
        "read a streamed response": (COMET_ANSWER, _stream),
        "assemble a streamed response": (COMET_ANSWER, _stream_helper),
        "continue from a response": ("You are Mara, and I will remember it.", _follow_up),
        "retrieve and delete a response": ((COMET_ANSWER, "gone"), _retrieve_and_delete),
        "wait for a background response": (("completed", COMET_ANSWER), _wait_for_background),
        "read the tool call of a response": ([("get_weather", {"city": "Oslo"})], _tool_calls),
        "report an unknown response": (
            "NotFoundError",
            lambda client, _model: client.responses.retrieve("resp_nobody").id,
        ),
    },
)
