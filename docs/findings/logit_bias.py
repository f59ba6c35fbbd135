"""A logit bias has no effect (0.8.1)

Steps: with the model of `acceptance model`, ask for the numbers at temperature 0 with a bias of -100 for
the tokens 3000 to 3699, among which is the first one of each answer.

Expected: another answer. OpenAI API reference, `logit_bias`: "values like -100 or 100 should result in a
ban or exclusive selection of the relevant token."

Received: the same answer, `one, t...`. At temperature 1 neither -100 nor 100 has an effect. 0.9.2 and the
engine 0.9.5 apply it.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import CannotDecide, Defect, Server, run


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/chat/completions")
    server.require_scripted_model()
    usual = server.chat("Tell me the numbers", max_tokens=1)
    if not usual.text:
        raise CannotDecide(f"an answer of one token has no text: {usual}")
    answer = server.chat(
        "Tell me the numbers", max_tokens=1, logit_bias={str(token): -100 for token in range(3000, 3700)}
    )
    if not answer.served or answer.text == usual.text:
        sent = "the chat `Tell me the numbers` with a bias of -100 for the tokens 3000 to 3699"
        yield Defect(sent, answer.text or str(answer), f"anything but {usual.text!r}")


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
