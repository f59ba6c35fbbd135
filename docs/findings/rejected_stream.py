"""A stream that is rejected has status 200 (0.8.1, 0.9.2)

Steps: request a streamed chat whose prompt is longer than the context (the script sends 40 000 words).

Expected: status 400 before a stream begins, with OpenAI's error object, as for the same request without
`stream`.

Received: 200, and the error is the first event. In 0.8.1 that event is bare text (`data: Prompt sequence
length is greater than 4096, ...`), which no client can tell from an answer. Aider takes it for a broken
connection and repeats the request for a minute.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import CannotDecide, Defect, Server, run


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/chat/completions")
    answer = server.chat("word " * 40_000, max_tokens=4, stream=True)
    if answer.text:
        raise CannotDecide(f"the prompt of 40 000 words fits the model's context: {answer}")
    if not answer.rejected:
        sent = "a streamed chat of 40 000 words"
        yield Defect(sent, str(answer), "status 400 before the stream begins")
    server.require_answers()


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
