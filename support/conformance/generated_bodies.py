"""Request bodies that are too large or too deep for a table, by name; made with the names of a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

BodyGenerator = Callable[[Mapping[str, str]], bytes]

MEBIBYTE = 1024 * 1024
NESTING_DEPTH = 5000
# Token ids of the scripted model that only its answers use: the first 3000 are for prompts.
ANSWER_TOKEN_IDS = range(3000, 3700)


def _chat(names: Mapping[str, str], content: str, **fields: object) -> bytes:
    messages = [{"role": "user", "content": content}]
    document = {"model": names["model"], "messages": messages, "max_tokens": 4, "temperature": 0, **fields}
    return json.dumps(document, ensure_ascii=False).encode()


def _deeply_nested(names: Mapping[str, str]) -> bytes:
    plain = _chat(names, "hello").decode()
    return f'{plain[:-1]}, "metadata": {"[" * NESTING_DEPTH}{"]" * NESTING_DEPTH}}}'.encode()


def _long_conversation(names: Mapping[str, str]) -> bytes:
    turns = [
        {"role": "user" if turn % 2 == 0 else "assistant", "content": f"This is turn {turn} of many."}
        for turn in range(30)
    ]
    messages = [*turns, {"role": "user", "content": "Tell me about the comet"}]
    return json.dumps(
        {
            "model": names["model"],
            "messages": messages,
            "max_tokens": 200,
            "temperature": 0,
        }
    ).encode()


def _banned_answer_tokens(names: Mapping[str, str]) -> bytes:
    """A logit_bias of -100 on the first token of the scripted answer, and on many others."""
    biases = {str(token): -100 for token in ANSWER_TOKEN_IDS}
    return _chat(names, "Tell me the numbers", max_tokens=1, logit_bias=biases)


BODY_GENERATORS: dict[str, BodyGenerator] = {
    "banned answer tokens": _banned_answer_tokens,
    "51 MiB body": lambda names: _chat(names, "x" * (51 * MEBIBYTE)),
    "embedding input beyond the context": lambda names: json.dumps(
        {"model": names["model"], "input": "word " * 2000}
    ).encode(),
    "embedding inputs, one beyond the context": lambda names: json.dumps(
        {"model": names["model"], "input": ["comet", "word " * 2000]}
    ).encode(),
    "deeply nested JSON": _deeply_nested,
    "long conversation": _long_conversation,
    "long message": lambda names: _chat(names, f"{'word ' * 300}Tell me about the comet", max_tokens=200),
    "prompt beyond the context": lambda names: _chat(names, "word " * 40_000),
    "prompt beyond the context, streamed": lambda names: _chat(names, "word " * 40_000, stream=True),
}
