"""The response format `json_object` is unknown (0.8.1)

Steps: request a chat with `"response_format": {"type": "json_object"}`.

Expected: 200 and a JSON object. OpenAI API reference, response_format: `text`, `json_schema` and
`json_object`.

Received: status 422, an unknown variant. 0.8.19 and later have it.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import Answer, Defect, Row, Server, find, parsed, run, wrong_rows


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/chat/completions")
    body = server.chat_body(
        "Tell me a colour as JSON", max_tokens=30, response_format={"type": "json_object"}
    )
    yield from wrong_rows(
        server,
        [Row("POST", "/v1/chat/completions", body, "200 and a JSON object", is_object)],
    )


def is_object(answer: Answer) -> bool:
    """Or the beginning of one, where `max_tokens` ended it."""
    if find(answer.json, "choices.0.finish_reason") == "length":
        return answer.served and answer.text.lstrip().startswith("{")
    return answer.served and isinstance(parsed(answer.text), dict)


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
