"""Answers that are generated at the same time are mixed (0.8.1, CPU)

Steps: send eight chats at the same time, each about another topic, at temperature 0. Four are enough; it
was not seen with two.

Expected: each client gets the answer to its own question, the same as when it is asked alone. The requests
of OpenAI's chat API are independent of each other.

Received: the text of one user continues with the text of another user. All responses have status 200 and a
regular end, and nothing is logged. Seen with GGUF and SafeTensors, with `--max-seqs 1` and
`--prefix-cache-n 0` too, and with SmolLM2-135M. Not in 0.9.2.

Any model whose answers at temperature 0 do not change will do; with the one of `acceptance model` about
half are wrong.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from functools import partial

from _client import CannotDecide, Defect, Server, run, together

TOPICS = ("lighthouse", "harbour", "glacier", "violin", "comet", "copper", "orchard", "falcon")
ROUNDS = 4


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/chat/completions")
    asks = [partial(server.chat, f"Tell me about the {topic}", max_tokens=40) for topic in TOPICS]
    first = [ask() for ask in asks]
    if silent := [answer for answer in first if not (answer.served and answer.text)]:
        raise CannotDecide(f"a chat alone has no answer: {silent[0]}")
    alone = [answer.text for answer in first]
    if alone != [ask().text for ask in asks]:
        raise CannotDecide("the answers at temperature 0 differ although each is generated alone")
    rounds = [together(asks) for _ in range(ROUNDS)]
    wrong = [
        (topic, text, answer)
        for answers in rounds
        for topic, text, answer in zip(TOPICS, alone, answers, strict=True)
        if answer.text != text
    ]
    for topic, text, answer in wrong[:1]:
        sent = (
            f"{len(TOPICS)} chats at once, {ROUNDS} times; {len(wrong)} are wrong, one is about the {topic}"
        )
        yield Defect(sent, answer.text or str(answer), text)


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
