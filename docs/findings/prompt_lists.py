"""A prompt of `/v1/completions` can only be one text (0.8.1, 0.9.2)

Steps: send completions whose prompt is a list of texts, and a list of token ids.

Expected: a choice for each text. OpenAI API reference, Create completion, prompt: "a string, array of
strings, array of tokens, or array of token arrays".

Received: status 422.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import Defect, Row, Server, find, run, wrong_rows


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/completions")
    yield from wrong_rows(
        server,
        [
            Row(
                "POST",
                "/v1/completions",
                {"model": server.model, "max_tokens": 4, "prompt": prompt},
                f"200 and {count} choices",
                lambda answer, count=count: len(find(answer.json, "choices") or []) == count,  # type: ignore[misc]
            )
            for prompt, count in ((["comet", "violin"], 2), ([100, 200, 300], 1))
        ],
    )


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
