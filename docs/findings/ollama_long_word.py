"""Ollama: a prompt of 100 000 letters without a space ends the server (0.17.4)

Steps: send `/api/generate` with a prompt of 100 000 letters to a model with the pre-tokenizer `qwen2`.

Expected: an answer, or status 400. The server and its other models continue.

Received: the server ends with SIGSEGV in `llama_tokenize`, and every loaded model with it. The pattern of
the pre-tokenizer is matched by a recursion over the whole word; 10 000 letters take 6 s.

This ends the server if the defect is there.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import CannotDecide, Defect, Server, run


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/api/generate", timeout=300)
    body = {"model": server.model, "stream": False, "truncate": False, "options": {"num_predict": 4}}
    answer = server.post("/api/generate", body | {"prompt": "x" * 100_000})
    after = server.send("GET", "/")
    if not after.status or not answer.status:
        expected = "an answer or status 400, and a server that continues"
        yield Defect("POST /api/generate with 100 000 letters", f"{answer}; then {after}", expected)
    elif not answer.served and answer.status != 400:
        raise CannotDecide(f"the prompt was not taken: {answer}")


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
