"""Bodies of the Ollama API that no table can hold. Each is made from the names of a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

BodyGenerator = Callable[[Mapping[str, str]], bytes]

MEBIBYTE = 1024 * 1024
# encoding/json of Go refuses what is deeper than 10 000.
NESTING_DEPTH = 20_000
SHORT_CONTEXT = 256
LONGER_THAN_SHORT_CONTEXT = "word " * 400
LONGER_THAN_ANY_CONTEXT = "word " * 6_000
# What has no blank goes through a pre-tokenizer in one piece.
LONG_WORD = "x" * 100_000


def _request(names: Mapping[str, str], options: Mapping[str, Any] | None = None, **fields: Any) -> bytes:
    wanted = {"temperature": 0, "num_predict": 4, **(options or {})}
    return json.dumps({"model": names["model"], "stream": False, "options": wanted, **fields}).encode()


def _deeply_nested(names: Mapping[str, str]) -> bytes:
    plain = _request(names, prompt="Say it briefly").decode()
    return f'{plain[:-1]}, "deep": {"[" * NESTING_DEPTH}{"]" * NESTING_DEPTH}}}'.encode()


OLLAMA_BODY_GENERATORS: dict[str, BodyGenerator] = {
    "a deep nesting for Ollama": _deeply_nested,
    "a padded body of 51 MiB": lambda names: _request(
        names, prompt="Say it briefly", ignored="x" * (51 * MEBIBYTE)
    ),
    "a word without an end": lambda names: _request(
        # Not to be cut: a context full of it would be asked about the model's speed, not about the word.
        names,
        prompt=LONG_WORD,
        truncate=False,
    ),
    "a prompt beyond a short context": lambda names: _request(
        names, {"num_ctx": SHORT_CONTEXT}, prompt=LONGER_THAN_SHORT_CONTEXT
    ),
    "a prompt beyond the context, not to be cut": lambda names: _request(
        names, prompt=LONGER_THAN_ANY_CONTEXT, truncate=False
    ),
    "a text beyond the context, not to be cut": lambda names: _request(
        names, input=LONGER_THAN_ANY_CONTEXT, truncate=False
    ),
    "a list with a text beyond the context, not to be cut": lambda names: _request(
        names, input=["harbour", LONGER_THAN_ANY_CONTEXT], truncate=False
    ),
}
