"""Logprobs have the base 10, and alternatives have no text (0.8.1; the form up to 0.9.2)

Steps: request a chat with `"logprobs": true`, without and with `top_logprobs`, and a stream.

Expected: logprobs are natural logarithms of probabilities, so none is above 0. An alternative has the text
of its token and its bytes; there is none unless `top_logprobs` requests it; a stream has `{"content":
[...]}` as well. OpenAI API reference, the chat completion object and its chunks, logprobs.

Received: 1.92 in 0.8.1: its logarithms have the base 10, and for a token taken at temperature 0 it is that
of the logit. Up to 0.9.2 an alternative has the number of its token instead of the text, one comes that was
not requested, and a stream has one bare object.

Discussed in EricLBuehler/mistral.rs pull request 2327, "fix(sampler): return natural-log probabilities from
`logprobs`, not log10" (merged; 0.9.1 has the change), and issue 2329, "sampler: greedy paths report log of
raw logit instead of log of probability".
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import Answer, Defect, Server, find, run, wrong_chats

CONTENT = "choices.0.logprobs.content"


def negative(answer: Answer) -> bool:
    tokens = find(answer.json, CONTENT) or []
    return bool(tokens) and all(token["logprob"] <= 0 for token in tokens)


def no_alternatives(answer: Answer) -> bool:
    tokens = find(answer.json, CONTENT) or []
    return bool(tokens) and not any(token.get("top_logprobs") for token in tokens)


def named(answer: Answer) -> bool:
    return isinstance(find(answer.json, f"{CONTENT}.0.top_logprobs.0.token"), str)


def streamed(answer: Answer) -> bool:
    found = [find(chunk, "choices.0.logprobs") for chunk in answer.chunks]
    return any(found) and all(isinstance(one.get("content"), list) for one in found if one)


def shown(answer: Answer) -> str:
    """Of the first token."""
    if answer.chunks:
        return str(find(answer.chunks[0], "choices.0.logprobs"))
    return str(find(answer.json, f"{CONTENT}.0") or answer)


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/chat/completions")
    usual = server.chat_body("Tell me about the comet", max_tokens=4, logprobs=True)
    checks = (
        (usual, "no logprob above 0", negative),
        (usual, "no alternatives: top_logprobs is not set", no_alternatives),
        (usual | {"top_logprobs": 2}, "alternatives with the text of their token", named),
        (usual | {"stream": True}, '{"content": [...]} in each chunk', streamed),
    )
    yield from wrong_chats(server, checks, shown)


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
