"""A client that disconnects aborts the answers of others (0.8.1)

Steps: request a stream of a long answer. At the same moment send four short non-streamed requests, and
close their connections as soon as they are sent. It depends on the moment: 8 of 15 streams were aborted, so
the script does this up to twelve times.

Expected: the stream comes to its end, with a finish reason and `[DONE]` (OpenAI API reference, streaming).
What other clients do never changes an answer.

Received: the stream ends after some words, without a finish reason and without `[DONE]`, or is answered
with 500 `channel closed`. The log has `SendError`, sometimes with a panic of the engine (`engine/mod.rs`).
Not seen in 0.9.2 and in the engine 0.9.5.

Discussed in EricLBuehler/mistral.rs issue 2147, "Panic when channel is closed." (0.8.1), and pull request
2170, which fixes that panic.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from _client import Answer, CannotDecide, Defect, Server, find, run

ATTEMPTS, LEAVING = 12, 4


def ends(chunk: object) -> bool:
    return bool(find(chunk, "choices.0.finish_reason"))


def whole(answer: Answer) -> bool:
    return answer.served and answer.ended and any(ends(chunk) for chunk in answer.chunks)


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/chat/completions")
    long = server.chat_body("Tell me a story", max_tokens=300, stream=True)
    leaving = server.chat_body("Tell me about the violin", max_tokens=12)
    if not whole(alone := server.post("/v1/chat/completions", long)):
        raise CannotDecide(f"a stream alone has no end: {alone}")
    for attempt in range(1, ATTEMPTS + 1):
        with ThreadPoolExecutor(1) as pool:
            stream = pool.submit(server.post, "/v1/chat/completions", long)
            for _ in range(LEAVING):
                server.begin("/v1/chat/completions", leaving).close()
            answer = stream.result()
        if not whole(answer):
            received = (
                f"{len(answer.events)} events, the last {answer.events[-1:]}"
                if answer.events
                else str(answer)
            )
            sent = (
                f"a stream beside {LEAVING} non-streamed chats whose clients disconnect (attempt {attempt})"
            )
            yield Defect(sent, received, "a finish reason and [DONE], as without the other clients")
            return


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
