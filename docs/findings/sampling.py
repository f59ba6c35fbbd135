"""`seed` and `min_p` have no effect, and a repetition penalty of 0 is a server error (0.8.1, 0.9.2, 0.9.5)

Steps: at temperature 1, send the same chat with the same seed twice; send it with `"min_p": 0.999`; send it
with `"repetition_penalty": 0`.

Expected: the same answer twice (OpenAI API reference, `seed`: "repeated requests with the same seed and
parameters should return the same result"). With that `min_p` only the most likely token remains, so it is
the answer of temperature 0. A penalty of 0 is rejected with 400, or is no penalty.

Received: another answer each time; one generator serves all requests, and each start of the server begins
with the same samples. 0.8.1 applies `min_p` only if `top_p` is set between 0 and 1 too. A penalty of 0 is
500 `Invalid sampling probability at index 0: NaN`.

Discussed in EricLBuehler/mistral.rs issue 1626, "Allow fixing the seed in each request via SamplingParams".

The model has to be one whose answers at temperature 1 differ; the answers of the model of `acceptance
model` do not.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import CannotDecide, Defect, Server, run

TOKENS = 24
# Tokens remain that are at least so likely as a part of the most likely one.
ALMOST_ONE = 0.999


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/chat/completions")
    question = "Throw the dice"

    def sampled(**fields: object) -> str:
        return server.chat(question, max_tokens=TOKENS, **{"temperature": 1, **fields}).text

    if len({sampled() for _ in range(4)}) == 1:
        raise CannotDecide("four answers at temperature 1 are the same: take another model")
    first, second = sampled(seed=7), sampled(seed=7)
    if first != second:
        yield Defect("a chat at temperature 1 with seed 7, twice", second, first)
    greedy = server.chat(question, max_tokens=TOKENS).text
    only = sampled(min_p=ALMOST_ONE)
    if only != greedy:
        sent = f"a chat at temperature 1 with min_p {ALMOST_ONE}"
        yield Defect(sent, only, f"the answer of temperature 0: {greedy}")
    answer = server.chat(question, max_tokens=TOKENS, temperature=1, repetition_penalty=0)
    if not 200 <= answer.status < 500:
        yield Defect("a chat with repetition_penalty 0", str(answer), "200, or 400")


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
