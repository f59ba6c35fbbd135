"""An answer ends after its first tool call; `tool_choice` `required` is unknown (0.8.1; a named tool: 0.9.2)

Steps: with the model of `acceptance model`, send "Do the errands" with two tools: the model writes two
calls. Send a question with `"tool_choice": "required"`, and one with a named tool.

Expected: both calls, in their order (OpenAI, Function calling: "the model may choose to call multiple
functions in a single turn"); a call with `required` (OpenAI API reference, tool_choice); exactly one call
of a named tool.

Received in 0.8.1: the first call alone, and the text twice, as the call and as the markup; `required` is
422. In 0.9.2 a named tool is called again and again until the token limit.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from _client import Answer, Defect, Server, find, run, wrong_chats


def tool(name: str, **properties: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()}}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


WEATHER = tool("get_weather", city="string", days="integer")
TICKET = tool("buy_ticket", **{"from": "string", "return": "boolean"})
NAMED = {"type": "function", "function": {"name": "get_weather"}}


def calls(answer: Answer) -> list[str]:
    found = find(answer.json, "choices.0.message.tool_calls") or []
    return [str(find(call, "function.name")) for call in found]


def shown(answer: Answer) -> str:
    return f"calls {calls(answer)}, text {answer.text!r}" if answer.served else str(answer)


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/chat/completions")
    server.require_scripted_model()
    weather = server.chat_body("What is the weather?", max_tokens=60, tools=[WEATHER])
    checks = (
        (
            server.chat_body("Do the errands", max_tokens=120, tools=[WEATHER, TICKET]),
            "calls of get_weather and buy_ticket",
            lambda answer: calls(answer) == ["get_weather", "buy_ticket"],
        ),
        (
            weather | {"tool_choice": "required"},
            "a call of get_weather",
            lambda answer: calls(answer)[:1] == ["get_weather"],
        ),
        (
            weather | {"tool_choice": NAMED},
            "one call of get_weather",
            lambda answer: calls(answer) == ["get_weather"],
        ),
    )
    yield from wrong_chats(server, checks, shown)


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
