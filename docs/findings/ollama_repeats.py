"""Ollama: a repeat penalty of 0 aborts the runner, and 32 equal tokens end an answer without an end (0.17.4)

Steps: send `/api/generate` with `"repeat_penalty": 0`; and with `"repeat_penalty": 1`, `"temperature": 0`
and `"num_predict": 40` to a model that repeats one token.

Expected: 400, or an answer without a penalty. An answer of 40 tokens that ends with `"done": true`, a
reason and its counts (api.md, Generate a completion: the final response has them).

Received: 500 `unexpected EOF`: the process that runs the model has aborted (``llama_sampler_dist_apply:
Assertion `found' failed``) and is started again by the next request. The second answer ends after 32 tokens
with `"done": false`, without a reason and counts, and status 200 (`llm/server.go`, "token repeat limit
reached").

`--model` is the name of a model; the second part needs one that repeats a token at temperature 0, and is
left out if it does not.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import CannotDecide, Defect, Server, find, run

TOKENS = 40


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/api/generate")
    body = {"model": server.model, "prompt": "Throw the dice", "stream": False}
    zero = server.post(
        "/api/generate", body | {"options": {"repeat_penalty": 0, "num_predict": TOKENS, "seed": 7}}
    )
    if not 200 <= zero.status < 500:
        yield Defect("POST /api/generate with repeat_penalty 0", str(zero), "400, or an answer")
    usual = {"repeat_penalty": 1, "temperature": 0, "num_predict": TOKENS}
    repeats = server.post("/api/generate", body | {"options": usual})
    if not repeats.served:
        raise CannotDecide(f"an answer without a penalty is not served: {repeats}")
    if find(repeats.json, "done") is not True:
        sent = f"POST /api/generate with num_predict {TOKENS}, to a model that repeats one token"
        received = f"done {find(repeats.json, 'done')}, done_reason {find(repeats.json, 'done_reason')}"
        yield Defect(sent, f"{received}: {find(repeats.json, 'response')}", "done true, done_reason length")


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
