"""The usage of several choices counts one of them (0.8.1, 0.9.2, 0.9.5)

Steps: request a chat with `"n": 3`; a completion with `"n": 3, "best_of": 2`; a stream with `"n": 2`.

Expected: `usage.completion_tokens` counts all choices (OpenAI API reference, `n`: charged for the tokens of
all choices). `best_of` below `n` is rejected (`best_of` must be greater than `n`). A stream ends when each
choice has a finish reason, and has one `id`.

Received: the tokens of one choice; 200; in the engine 0.9.5 the stream ends with its first choice, and its
`id` changes.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import Answer, Defect, Row, Server, find, run, wrong_rows


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/chat/completions")
    one = find(server.chat("Tell me about the comet", max_tokens=40).json, "usage.completion_tokens") or 0
    chat = server.chat_body("Tell me about the comet", max_tokens=40)

    def all_end(answer: Answer) -> bool:
        choices = [choice for chunk in answer.chunks for choice in chunk.get("choices") or []]
        ends = sorted(choice["index"] for choice in choices if choice.get("finish_reason"))
        return ends == [0, 1] and len({chunk.get("id") for chunk in answer.chunks}) == 1

    yield from wrong_rows(
        server,
        [
            Row(
                "POST",
                "/v1/chat/completions",
                chat | {"n": 3},
                f"usage.completion_tokens 3 times that of one choice ({one})",
                lambda answer: (find(answer.json, "usage.completion_tokens") or 0) >= 3 * one > 0,
                shown=lambda answer: f"completion_tokens {find(answer.json, 'usage.completion_tokens')}",
            ),
            Row(
                "POST",
                "/v1/completions",
                {"model": server.model, "prompt": "x", "max_tokens": 1, "n": 3, "best_of": 2},
                "400: best_of is not less than n",
                lambda answer: answer.rejected,
                shown=lambda answer: f"{answer.status}, {len(find(answer.json, 'choices') or [])} choices",
            ),
            Row(
                "POST",
                "/v1/chat/completions",
                chat | {"n": 2, "stream": True},
                "a finish reason for each of the two choices, and one id",
                all_end,
                shown=lambda answer: f"{len(answer.chunks)} chunks, the last: {answer.chunks[-1:]}",
            ),
        ],
    )


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
