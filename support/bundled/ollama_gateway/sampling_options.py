"""`options` of an Ollama request: checked as Ollama checks them, and translated to the target's parameters.

Options without a counterpart (num_ctx, mirostat, ...) are ignored, as Ollama ignores unknown ones.
"""

from __future__ import annotations

import json

from support.bundled.ollama_gateway.errors import ApiError
from support.bundled.ollama_gateway.json_types import Json, JsonMapping, JsonObject

_INTEGERS = [
    "num_keep",
    "seed",
    "num_predict",
    "top_k",
    "repeat_last_n",
    "num_ctx",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
]
_FLOATS = [
    "top_p",
    "min_p",
    "typical_p",
    "temperature",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
]
# Ollama's own defaults where they differ from an OpenAI server's. Its repetition penalty looks at the last 64
# tokens and mistral.rs' at all, so that default stays the target's.
_DEFAULTS: JsonMapping = {"temperature": 0.8, "top_k": 40, "top_p": 0.9}
_TARGET_NAMES = {"num_predict": "max_tokens", "repeat_penalty": "repetition_penalty"}
_FORWARDED = [
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "seed",
    "num_predict",
    "stop",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
]


def sampling(options: JsonMapping | None) -> JsonObject:
    """Fields of the target's request. Raises `ApiError` 500 (sic) for a wrong type, with Ollama's message."""
    given = {name: _validate(name, value) for name, value in (options or {}).items() if value is not None}
    wanted = {**_DEFAULTS, **given}
    return {
        _TARGET_NAMES.get(name, name): wanted[name]
        for name in _FORWARDED
        if name in wanted and _is_set(name, wanted[name])
    }


def _validate(name: str, value: Json) -> Json:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in _INTEGERS:
        return int(value) if number else _raise_type_error(name, "type integer")
    if name in _FLOATS:
        return float(value) if number else _raise_type_error(name, "type float32")
    if name == "use_mmap":
        return value if isinstance(value, bool) else _raise_type_error(name, "type boolean")
    if name == "stop":
        if not isinstance(value, list):
            _raise_type_error(name, "type array")
        if not all(isinstance(item, str) for item in value):
            _raise_type_error(name, "an array of strings")
        return [item for item in value if item]
    return value


def _raise_type_error(name: str, kind: str) -> Json:
    raise ApiError(500, f"option {json.dumps(name)} must be of {kind}")


def _is_set(name: str, value: Json) -> bool:
    """Ollama's values for "no limit" and "any" are -1 and 0, which an OpenAI server rejects."""
    if name in ("num_predict", "top_k", "min_p"):
        return bool(value > 0)
    if name == "seed":
        return bool(value >= 0)
    return name != "stop" or bool(value)
