"""Requests of common clients are rejected (0.8.1)

Steps: send what official SDKs send: null for fields that are not set, a CORS preflight with the headers of
the JavaScript client, a Responses request as the agents SDK and Codex send it, the output of a response as
input of the next.

Expected: they are served. OpenAI API specification, CreateChatCompletionRequest: `n` and `logprobs` are
nullable; its Python client sends `None` as null. Guide Conversation state: `input` takes the items of
`response.output`. Responses, tools: `{"type": "function", "name": ...}`.

Received: null for `model`, `n`, `logprobs` or `echo` is 422 (`invalid type: null, expected usize`);
`max_tokens` and `max_completion_tokens` both null are ``duplicate field `max_tokens` ``. The preflight
allows `content-type` and `authorization` only, so a browser sends no request at all. Output items and tools
of the Responses API are 422, `"parallel_tool_calls": false` is 500.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from _client import Answer, Defect, Row, Server, run, wrong_rows

CHAT, COMPLETIONS, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
SDK_HEADERS = "authorization,content-type,x-stainless-lang,x-stainless-os"
PREFLIGHT = {
    "Origin": "http://localhost:3000",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": SDK_HEADERS,
}
PART = {"type": "output_text", "text": "Yes.", "annotations": []}
OUTPUT = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [PART]}
TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}


def allows_all(answer: Answer) -> bool:
    allowed = answer.headers.get("access-control-allow-headers", "").lower()
    return allowed == "*" or all(name in allowed for name in SDK_HEADERS.split(","))


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, CHAT)
    chat = server.chat_body("Tell me about the comet", max_tokens=4)
    completion = {"model": server.model, "prompt": "Tell me about the comet", "max_tokens": 4}
    response = {"model": server.model, "input": "Tell me about the comet", "max_output_tokens": 4}
    turns = [{"role": "user", "content": "Say it"}, OUTPUT, {"role": "user", "content": "Again"}]
    unlimited = {name: value for name, value in chat.items() if name != "max_tokens"}
    requests: list[tuple[str, dict[str, Any]]] = [
        *((CHAT, chat | {name: None}) for name in ("model", "n", "logprobs")),
        (CHAT, unlimited | {"max_tokens": None, "max_completion_tokens": None}),
        *((COMPLETIONS, completion | {name: None}) for name in ("n", "echo")),
    ]
    if server.post(RESPONSES, response).served:
        requests += [
            (RESPONSES, response | {"input": turns}),
            (RESPONSES, response | {"tools": [TOOL]}),
            (RESPONSES, response | {"parallel_tool_calls": False}),
        ]
    rows = [Row("POST", path, body, "200", lambda answer: answer.served) for path, body in requests]
    allowed = f"Access-Control-Allow-Headers with {SDK_HEADERS}"
    sent = f"OPTIONS {CHAT} with Access-Control-Request-Headers {SDK_HEADERS}"
    yield from wrong_rows(server, [*rows, Row("OPTIONS", CHAT, b"", allowed, allows_all, PREFLIGHT, sent)])


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
