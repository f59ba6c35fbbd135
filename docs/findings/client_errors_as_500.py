"""Client errors are answered with status 500 (0.8.1, 0.9.2; found by generated requests)

Steps: send requests that the server cannot serve: an image, speech or an embedding from a text model, a
tool call without content, a part without text, a repetition penalty of 0.

Expected: status 400, 404 or 422. Client libraries take 500 for a temporary failure and repeat the request.

Received: 500, for `"repetition_penalty": 0` with `Invalid sampling probability at index 0: NaN`. Found by
Schemathesis with the server's own `/api-doc/openapi.json`.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from _client import Defect, Row, Server, run, wrong_rows

CHAT = "/v1/chat/completions"
CALL = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, CHAT)

    def chat(*messages: dict[str, Any], **fields: Any) -> tuple[str, dict[str, Any]]:
        return CHAT, {"model": server.model, "max_tokens": 4, "messages": list(messages)} | fields

    question = {"role": "user", "content": "Tell me about the comet"}
    requests = [
        chat(question, repetition_penalty=0),
        chat(question, {"role": "assistant", "tool_calls": [CALL]}),
        chat({"role": "user", "content": [{"type": "text"}]}),
        chat({"role": "assistant", "content": [PICTURE]}),
        ("/v1/images/generations", {"model": server.model, "prompt": "a boat", "n": 1}),
        (
            "/v1/audio/speech",
            {"model": server.model, "input": "a boat", "voice": "any", "response_format": "wav"},
        ),
        ("/v1/embeddings", {"model": server.model, "input": "a boat"}),
        ("/v1/responses", {"model": server.model, "input": "a boat", "max_tool_calls": 1}),
    ]
    yield from wrong_rows(
        server,
        [
            Row("POST", path, body, "no error of the server", lambda answer: 200 <= answer.status < 500)
            for path, body in requests
        ],
    )
    server.require_answers()


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
