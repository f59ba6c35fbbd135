"""An answer that fulfils its grammar does not end (0.8.1, 0.9.2, 0.9.5)

Steps: request a chat with a schema that allows `"red"` and `"green"`, and one with the regular expression
`(red|green)`, with `max_tokens` 24.

Expected: the answer ends when nothing can follow, with the finish reason `stop`. OpenAI API reference,
finish_reason: `length` is an answer that the limit has cut.

Received: the answer continues with empty tokens until `max_tokens`; its finish reason is `length`. The text
is right. A client that checks for `length` rejects it, and it takes as long as `max_tokens` allows.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from _client import Defect, Row, Server, find, run, wrong_rows

SCHEMA = {"type": "json_schema", "json_schema": {"name": "colour", "schema": {"enum": ["red", "green"]}}}
GRAMMARS: tuple[dict[str, Any], ...] = (
    {"response_format": SCHEMA},
    {"grammar": {"type": "regex", "value": "(red|green)"}},
)


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/chat/completions")
    yield from wrong_rows(
        server,
        [
            Row(
                "POST",
                "/v1/chat/completions",
                server.chat_body("Tell me a colour", max_tokens=24) | grammar,
                "finish_reason stop",
                lambda answer: find(answer.json, "choices.0.finish_reason") == "stop",
                shown=lambda answer: f"{find(answer.json, 'choices.0.finish_reason')}, text {answer.text!r}",
            )
            for grammar in GRAMMARS
        ],
    )


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
