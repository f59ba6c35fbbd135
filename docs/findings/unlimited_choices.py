"""The number of choices has no limit: one request can use all the memory (0.8.1, 0.9.2, 0.9.5)

Steps: request a completion of one token with `n` above 128. The script sends 129, which does no harm.

Expected: status 400 with an error that names `n`. OpenAI API reference, `n`: 1 to 128.

Received: 200. With `"n": 1624022992565` (seen in a run of generated requests) 0.8.1 used 15.5 GB after 60 s
and continued after the client had disconnected; no other request was served meanwhile. With a limit of 4
GiB it ended by SIGABRT within 10 s. `"n": 1000` takes 0.8 GB, most of which is not freed. A server that is
open to strangers needs a limit in front of it.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import Answer, Defect, Row, Server, find, run, wrong_rows


def shown(answer: Answer) -> str:
    choices = find(answer.json, "choices")
    return f"{answer.status} and {len(choices)} choices" if choices else str(answer)


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/completions")
    body = {"model": server.model, "prompt": "x", "max_tokens": 1, "n": 129}
    yield from wrong_rows(
        server,
        [
            Row(
                "POST",
                "/v1/completions",
                body,
                "400: n is at most 128",
                lambda answer: answer.rejected,
                shown=shown,
            )
        ],
    )
    server.require_answers("/v1/completions", body | {"n": 1})


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
