"""Bodies of the Ollama API that no table can hold. Each is made from the names of a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

Maker = Callable[[Mapping[str, str]], bytes]

MEBIBYTE = 1024 * 1024
# encoding/json of Go refuses what is deeper than 10 000.
DEPTH = 20_000
SHORT_CONTEXT = 256
MORE_THAN_SHORT = "word " * 400
MORE_THAN_ALL = "word " * 6_000
# What has no blank goes through a pre-tokenizer in one piece.
ENDLESS = "x" * 100_000


def _request(names: Mapping[str, str], options: Mapping[str, Any] | None = None, **fields: Any) -> bytes:
    wanted = {"temperature": 0, "num_predict": 4, **(options or {})}
    return json.dumps({"model": names["model"], "stream": False, "options": wanted, **fields}).encode()


def _deep(names: Mapping[str, str]) -> bytes:
    plain = _request(names, prompt="Say it briefly").decode()
    return f'{plain[:-1]}, "deep": {"[" * DEPTH}{"]" * DEPTH}}}'.encode()


OLLAMA_MAKERS: dict[str, Maker] = {
    "a deep nesting for Ollama": _deep,
    "a padded body of 51 MiB": lambda names: _request(
        names, prompt="Say it briefly", ignored="x" * (51 * MEBIBYTE)
    ),
    "a word without an end": lambda names: _request(
        # Not to be cut: a context full of it would be asked about the model's speed, not about the word.
        names,
        prompt=ENDLESS,
        truncate=False,
    ),
    "a prompt beyond a short context": lambda names: _request(
        names, {"num_ctx": SHORT_CONTEXT}, prompt=MORE_THAN_SHORT
    ),
    "a prompt beyond the context, not to be cut": lambda names: _request(
        names, prompt=MORE_THAN_ALL, truncate=False
    ),
    "a text beyond the context, not to be cut": lambda names: _request(
        names, input=MORE_THAN_ALL, truncate=False
    ),
    "a list with a text beyond the context, not to be cut": lambda names: _request(
        names, input=["harbour", MORE_THAN_ALL], truncate=False
    ),
}
