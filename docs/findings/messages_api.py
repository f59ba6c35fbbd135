"""Messages: errors and stop reasons differ from Anthropic's (0.9.2; 0.8.1 has no such route)

Steps: send messages with an unknown model, broken JSON, a missing field, no messages, an unknown role, a
stop sequence; and a stream.

Expected (Anthropic API reference, Messages and Errors): an unknown model is 404 `not_found_error`; each
error is `{"type": "error", "error": {"type": ..., "message": ...}}`; `max_tokens` is required, `messages`
is not empty, a role is `user` or `assistant`; a stop sequence ends with `stop_reason` `stop_sequence`;
`message_start` has the input tokens.

Received: 400 `invalid_request_error`; plain text for what cannot be parsed; 200; `end_turn`;
`"input_tokens": 0`.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from _client import Answer, CannotDecide, Defect, Row, Server, find, run, wrong_rows

PATH = "/v1/messages"


def in_form(answer: Answer) -> bool:
    return (
        answer.rejected and find(answer.json, "type") == "error" and bool(find(answer.json, "error.message"))
    )


def counts_input(answer: Answer) -> bool:
    counts = [
        find(chunk, "message.usage.input_tokens") or find(chunk, "usage.input_tokens")
        for chunk in answer.chunks
    ]
    return any(count or 0 for count in counts)


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, PATH)
    question = [{"role": "user", "content": "Tell me the numbers"}]
    usual: dict[str, Any] = {"model": server.model, "max_tokens": 60, "temperature": 0, "messages": question}
    if not (plain := server.post(PATH, usual)).served:
        raise CannotDecide(f"a plain message is not served: {plain}")
    word = (find(plain.json, "content.0.text") or "").split()[3:4]
    form = "4xx and an error in Anthropic's form"
    checks: tuple[tuple[Any, str, Any], ...] = (
        (
            usual | {"model": "nobody/knows-this"},
            "404 not_found_error",
            lambda answer: answer.status == 404 and find(answer.json, "error.type") == "not_found_error",
        ),
        (b'{"model": "default", "max_tokens": 50, "messages": [{"role"', form, in_form),
        ({"model": server.model, "max_tokens": 4}, form, in_form),
        ({"model": server.model, "messages": question}, form, in_form),
        (usual | {"max_tokens": -1}, form, in_form),
        (usual | {"messages": []}, form, in_form),
        (usual | {"messages": [{"role": "robot", "content": "hello"}]}, form, in_form),
        (
            usual | {"stop_sequences": word},
            "stop_reason stop_sequence",
            lambda answer: find(answer.json, "stop_reason") == "stop_sequence",
        ),
        (usual | {"stream": True}, "the input tokens in message_start", counts_input),
    )
    yield from wrong_rows(
        server, [Row("POST", PATH, body, expected, right) for body, expected, right in checks]
    )


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
