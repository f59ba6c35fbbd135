"""An embedding of one token makes the engine panic, and client errors have status 500 (0.8.1, 0.9.2)

Steps: load an embedding model (`mistralrs serve embedding -m FOLDER`, in the form of Qwen3-Embedding) and
send inputs: one token, an empty text, an empty list of token ids, a token id outside the vocabulary, a text
that is longer than the context, an unknown model.

Expected: an embedding of one token; 400 or 422 for the others, and 404 for an unknown model (OpenAI API
reference, Create embeddings: the input must not be empty and must not exceed the maximum of the model).

Received: 0.8.1 panics at one token (`qwen3_embedding.rs:461`, `entered unreachable code`): 500 `No response
received from the model.`, also for all other requests at that moment; 0.9.2 and the engine 0.9.5 answer.
The others are 500 in 0.8.1 and 0.9.2 (`Received unexpected response type from embedding request`), an
unknown model is 422.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from _client import Answer, CannotDecide, Defect, Row, Server, find, run, wrong_rows

PATH = "/v1/embeddings"


def embedded(answer: Answer) -> bool:
    return answer.served and bool(find(answer.json, "data.0.embedding"))


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, PATH)
    usual = server.post(PATH, {"model": server.model, "input": "Tell me about the comet"})
    if not embedded(usual):
        raise CannotDecide(f"the server does not have an embedding model: {usual}")
    wrong: list[Any] = ["", [[]], ["Tell me about the comet", ""], [5, 6, 10_000_000], "word " * 100_000]
    rows = [Row("POST", PATH, {"model": server.model, "input": "a"}, "200 and an embedding", embedded)]
    rows += [
        Row(
            "POST",
            PATH,
            {"model": server.model, "input": one},
            "400 or 422",
            lambda answer: answer.status in (400, 422),
        )
        for one in wrong
    ]
    unknown = {"model": "nobody-knows-this", "input": "Tell me about the comet"}
    rows += [Row("POST", PATH, unknown, "404", lambda answer: answer.status == 404)]
    yield from wrong_rows(server, rows)


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
