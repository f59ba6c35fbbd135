"""Request bodies that are too large or too deep for a table, by name; made with the names of a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from support.units import JsonMapping

Names = Mapping[str, str]

MEBIBYTE = 1024 * 1024
# Token ids of the scripted model that only its answers use: the first 3000 are for prompts.
ANSWER_TOKEN_IDS = range(3000, 3700)
SHORT_CONTEXT = 256
LONGER_THAN_SHORT_CONTEXT = "word " * 400
LONGER_THAN_OLLAMA_CONTEXT = "word " * 6_000
# A text without a blank is one pre-token.
LONG_WORD = "x" * 100_000


def _chat(names: Names, content: str, **fields: object) -> bytes:
    messages = [{"role": "user", "content": content}]
    document = {"model": names["model"], "messages": messages, "max_tokens": 4, "temperature": 0, **fields}
    return json.dumps(document, ensure_ascii=False).encode()


def _embeddings(names: Names, texts: object) -> bytes:
    return json.dumps({"model": names["model"], "input": texts}).encode()


def _ollama(names: Names, options: JsonMapping | None = None, **fields: object) -> bytes:
    wanted = {"temperature": 0, "num_predict": 4, **(options or {})}
    return json.dumps({"model": names["model"], "stream": False, "options": wanted, **fields}).encode()


def _with_nested_field(body: bytes, name: str, depth: int) -> bytes:
    return body[:-1] + f', "{name}": {"[" * depth}{"]" * depth}}}'.encode()


def _long_conversation(names: Names) -> bytes:
    turns = [
        {"role": "user" if turn % 2 == 0 else "assistant", "content": f"This is turn {turn} of many."}
        for turn in range(30)
    ]
    messages = [*turns, {"role": "user", "content": "Tell me about the comet"}]
    return _chat(names, "", messages=messages, max_tokens=200)


def _banned_answer_tokens(names: Names) -> bytes:
    """A logit_bias of -100 on the first token of the scripted answer, and on many others."""
    biases = {str(token): -100 for token in ANSWER_TOKEN_IDS}
    return _chat(names, "Tell me the numbers", max_tokens=1, logit_bias=biases)


BODY_GENERATORS: dict[str, Callable[[Names], bytes]] = {
    "banned answer tokens": _banned_answer_tokens,
    "51 MiB body": lambda names: _chat(names, "x" * (51 * MEBIBYTE)),
    "embedding input beyond the context": lambda names: _embeddings(names, "word " * 2000),
    "embedding inputs, one beyond the context": lambda names: _embeddings(names, ["comet", "word " * 2000]),
    "deeply nested JSON": lambda names: _with_nested_field(_chat(names, "hello"), "metadata", 5000),
    "long conversation": _long_conversation,
    "long message": lambda names: _chat(names, f"{'word ' * 300}Tell me about the comet", max_tokens=200),
    "prompt beyond the context": lambda names: _chat(names, "word " * 40_000),
    "prompt beyond the context, streamed": lambda names: _chat(names, "word " * 40_000, stream=True),
    # encoding/json of Go rejects more than 10 000 levels.
    "deeply nested JSON for Ollama": lambda names: _with_nested_field(
        _ollama(names, prompt="Say it briefly"), "deep", 20_000
    ),
    "51 MiB body for Ollama": lambda names: _ollama(
        names, prompt="Say it briefly", ignored="x" * (51 * MEBIBYTE)
    ),
    # Not truncated: a full context would measure the speed of the model instead.
    "100 000-character token": lambda names: _ollama(names, prompt=LONG_WORD, truncate=False),
    "prompt beyond a short context": lambda names: _ollama(
        names, {"num_ctx": SHORT_CONTEXT}, prompt=LONGER_THAN_SHORT_CONTEXT
    ),
    "prompt beyond the context, not truncated": lambda names: _ollama(
        names, prompt=LONGER_THAN_OLLAMA_CONTEXT, truncate=False
    ),
    "embedding input beyond the context, not truncated": lambda names: _ollama(
        names, input=LONGER_THAN_OLLAMA_CONTEXT, truncate=False
    ),
    "embedding inputs, one beyond the context, not truncated": lambda names: _ollama(
        names, input=["harbour", LONGER_THAN_OLLAMA_CONTEXT], truncate=False
    ),
}
