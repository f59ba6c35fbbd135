"""Request bodies of the Ollama API that are too large or too deep for a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from support.units import JsonMapping

BodyGenerator = Callable[[Mapping[str, str]], bytes]

MEBIBYTE = 1024 * 1024
# encoding/json of Go rejects more than 10 000 levels.
NESTING_DEPTH = 20_000
SHORT_CONTEXT = 256
LONGER_THAN_SHORT_CONTEXT = "word " * 400
LONGER_THAN_ANY_CONTEXT = "word " * 6_000
# A text without a blank is one pre-token.
LONG_WORD = "x" * 100_000


def _request(names: Mapping[str, str], options: JsonMapping | None = None, **fields: object) -> bytes:
    wanted = {"temperature": 0, "num_predict": 4, **(options or {})}
    return json.dumps({"model": names["model"], "stream": False, "options": wanted, **fields}).encode()


def _deeply_nested(names: Mapping[str, str]) -> bytes:
    plain = _request(names, prompt="Say it briefly").decode()
    return f'{plain[:-1]}, "deep": {"[" * NESTING_DEPTH}{"]" * NESTING_DEPTH}}}'.encode()


OLLAMA_BODY_GENERATORS: dict[str, BodyGenerator] = {
    "deeply nested JSON for Ollama": _deeply_nested,
    "51 MiB body for Ollama": lambda names: _request(
        names, prompt="Say it briefly", ignored="x" * (51 * MEBIBYTE)
    ),
    "100 000-character token": lambda names: _request(
        # Not truncated: a full context would measure the speed of the model instead.
        names,
        prompt=LONG_WORD,
        truncate=False,
    ),
    "prompt beyond a short context": lambda names: _request(
        names, {"num_ctx": SHORT_CONTEXT}, prompt=LONGER_THAN_SHORT_CONTEXT
    ),
    "prompt beyond the context, not truncated": lambda names: _request(
        names, prompt=LONGER_THAN_ANY_CONTEXT, truncate=False
    ),
    "embedding input beyond the context, not truncated": lambda names: _request(
        names, input=LONGER_THAN_ANY_CONTEXT, truncate=False
    ),
    "embedding inputs, one beyond the context, not truncated": lambda names: _request(
        names, input=["harbour", LONGER_THAN_ANY_CONTEXT], truncate=False
    ),
}
