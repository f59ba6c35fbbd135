"""Values out of the documented range are accepted (0.8.1, 0.9.2, 0.9.5)

Steps: send chats with one value out of its range each.

Expected: status 400. OpenAI API reference, Create chat completion: temperature 0 to 2, top_p 0 to 1,
penalties -2 to 2, top_logprobs 0 to 20, logit_bias -100 to 100, messages with at least one element, a
closed list of roles. A client that sends a wrong value finds out at once.

Received: 200 and an answer. `max_tokens: 0` gives one token in 0.8.1 and status 500 in 0.9.2.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from _client import Defect, Row, Server, run, wrong_rows

VALUES: dict[str, dict[str, Any]] = {
    "temperature is 0 to 2": {"temperature": -1},
    "temperature is at most 2": {"temperature": 1_000_000_000},
    "top_p is at most 1": {"top_p": 5},
    "top_p is at least 0": {"top_p": -0.5},
    "presence_penalty is at most 2": {"presence_penalty": 5},
    "presence_penalty is at least -2": {"presence_penalty": -7.5},
    "top_logprobs is at most 20": {"logprobs": True, "top_logprobs": 21},
    "a bias is at most 100": {"logit_bias": {"100": 250}},
    "there is a message": {"messages": []},
    "a role is one of the listed ones": {"messages": [{"role": "alien", "content": "hello"}]},
    "max_tokens is at least 1": {"max_tokens": 0},
}


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/chat/completions")
    usual = server.chat_body("Tell me about the comet", max_tokens=4)
    yield from wrong_rows(
        server,
        [
            Row(
                "POST", "/v1/chat/completions", usual | fields, f"400: {rule}", lambda answer: answer.rejected
            )
            for rule, fields in VALUES.items()
        ],
    )
    server.require_answers()


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
