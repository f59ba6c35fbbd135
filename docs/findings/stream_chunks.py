"""Each chunk of a stream has the role, and usage comes unrequested (0.8.1, 0.9.2)

Steps: request a streamed chat, without `stream_options` and with `{"include_usage": true}`.

Expected: the role in the first chunk only; no usage unless requested; with `include_usage` one more chunk
at the end, with an empty list of choices. OpenAI API reference, the chat completion chunk object, and
`stream_options.include_usage`.

Received: the role in each chunk, and usage in the last chunk in both cases.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import Answer, Defect, Server, find, run, wrong_chats


def one_role(answer: Answer) -> bool:
    return sum(bool(find(chunk, "choices.0.delta.role")) for chunk in answer.chunks) == 1


def no_usage(answer: Answer) -> bool:
    return bool(answer.chunks) and not any(chunk.get("usage") for chunk in answer.chunks)


def usage_apart(answer: Answer) -> bool:
    return (
        bool(answer.chunks)
        and answer.chunks[-1].get("choices") == []
        and bool(answer.chunks[-1].get("usage"))
    )


def shown(answer: Answer) -> str:
    roles = sum(bool(find(chunk, "choices.0.delta.role")) for chunk in answer.chunks)
    last = {key: value for key, value in (answer.chunks or [{}])[-1].items() if key in ("choices", "usage")}
    return f"{len(answer.chunks)} chunks, {roles} with a role; the last one: {last}"


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/chat/completions")
    usual = server.chat_body("Tell me about the comet", max_tokens=6, stream=True)
    checks = (
        (usual, "the role in one chunk", one_role),
        (usual, "no usage", no_usage),
        (
            usual | {"stream_options": {"include_usage": True}},
            "usage in a chunk without choices",
            usage_apart,
        ),
    )
    yield from wrong_chats(server, checks, shown)


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
