"""Ollama: client errors have status 500, and an error has a path of the server (0.17.4)

Steps: send `/api/embed` without a model and with an empty text, and `/api/create` with the digest of a file
that was never uploaded.

Expected: status 400 or 404 (docs/api/errors.mdx), as on every other route, and no folder of the server in a
message.

Received: 500 `unqualified name: registry.ollama.ai/library/!MISSING!:latest`; 500 `Failed to create new
sequence: no input provided`; 500 `open <models folder>/blobs/sha256-...: no such file or directory`.

`--model` is the name of a model that can embed.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import Answer, Defect, Row, Server, run, wrong_rows

MISSING = {"model.gguf": "sha256:" + "0" * 64}


def no_path(answer: Answer) -> bool:
    return answer.status != 404 and "/blobs/" not in str(answer) and "\\blobs\\" not in str(answer)


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/api/embed")
    yield from wrong_rows(
        server,
        [
            Row("POST", "/api/embed", {"input": "x"}, "400 or 404", lambda answer: answer.rejected),
            Row(
                "POST",
                "/api/embed",
                {"model": server.model, "input": [""]},
                "200 or 400",
                lambda answer: 200 <= answer.status < 500,
            ),
            Row(
                "POST",
                "/api/create",
                {"model": "acceptance-nowhere", "stream": False, "files": MISSING},
                "an error without a path of the server",
                no_path,
            ),
        ],
    )
    server.require_answers("/api/embed", {"model": server.model, "input": "Tell me about the harbour"})


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
