"""Errors do not have the form of OpenAI's, and client errors have status 500 (up to 0.9.2)

Steps: send requests with one error each: an unknown model, broken JSON, a missing field, a wrong type, no
media type, ...

Expected: a 4xx status and `{"error": {"message": ..., "type": ..., "param": ..., "code": ...}}` (OpenAI API
reference, errors; an unknown model is 404). Client libraries take 500 for a temporary failure and repeat
the request (the official Python client twice), and they show `error.message` to the user.

Received: an unknown model, a message without content and a grammar beside a schema are 500 with
`{"message": "..."}`. Broken JSON, a missing field, a wrong type and a missing media type have the right
status, but plain text. An unknown path and a wrong method have no body.

Discussed in EricLBuehler/mistral.rs pull request 2393, "feat(server): align server error codes to openai
standard" (merged).
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from _client import Answer, Defect, Row, Server, find, run, wrong_rows

CHAT = "/v1/chat/completions"
QUESTION = [{"role": "user", "content": "Tell me about the comet"}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"enum": ["b"]}}}
REGEX = {"type": "regex", "value": "a"}


def in_form(answer: Answer) -> bool:
    return answer.rejected and bool(find(answer.json, "error.message"))


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, CHAT)

    def body(**fields: Any) -> dict[str, Any]:
        return {"model": server.model, "max_tokens": 4, "messages": QUESTION} | fields

    form = "4xx and an object error with a message"
    missing = "404 and an object error with a message"
    wanted: list[tuple[str, Any]] = [
        (form, {"model": server.model}),
        (form, body(max_tokens="many")),
        (form, body(n=0)),
        (form, body(grammar={"type": "regex", "value": "("})),
        (form, body(messages=[{"role": "user"}])),
        (form, body(grammar=REGEX, response_format=SCHEMA)),
        (form, b'{"model": '),
    ]
    rows = [Row("POST", CHAT, sent, expected, in_form) for expected, sent in wanted]
    unknown = body(model="nobody/knows-this")
    rows += [
        Row("POST", CHAT, unknown, missing, lambda answer: in_form(answer) and answer.status == 404),
        Row("POST", CHAT, body(), form, in_form, {}, f"POST {CHAT} without Content-Type"),
        Row("POST", "/v1/nobody-knows-this", {}, missing, in_form),
        Row("DELETE", CHAT, b"", form, in_form),
    ]
    yield from wrong_rows(server, rows)
    server.require_answers()


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
