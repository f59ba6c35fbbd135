"""Content in parts is passed to the chat template as a list (0.8.1, 0.9.2)

Steps: send a chat whose content is `[{"type": "text", "text": "Tell me about "}, {"type": "text", "text":
"the comet"}]`, to a model whose chat template joins texts, as most do.

Expected: 200 and the same answer as for the joined text. OpenAI API reference, Create chat completion:
content is a text or an array of content parts.

Received: status 500, `tried to use + operator on unsupported types string and sequence`. 0.8.1 accepts a
single part, 0.9.2 rejects that as well.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import Defect, Row, Server, run, wrong_rows

TEXTS = (["Tell me about the comet"], ["Tell me about ", "the comet"])


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/chat/completions")
    expected = server.chat("Tell me about the comet", max_tokens=40).text
    usual = server.chat_body("", max_tokens=40)
    contents = [[{"type": "text", "text": text} for text in texts] for texts in TEXTS]
    yield from wrong_rows(
        server,
        [
            Row(
                "POST",
                "/v1/chat/completions",
                usual | {"messages": [{"role": "user", "content": content}]},
                f"200 and the answer to the joined text: {expected}",
                lambda answer: answer.served and answer.text == expected,
            )
            for content in contents
        ],
    )


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
