"""Fields of a response that repeat its request: the model, in the Responses API also the parameters."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator

from support.conformance.response_parser import ConformanceError, ParsedResponse
from support.servers.ollama_backends import LATEST
from support.units import Json, JsonMapping

# Of the response object (OpenAI API reference, The response object): "the value that was requested".
ECHOED = (
    "background",
    "frequency_penalty",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "store",
    "temperature",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
)
# A server may compute in half precision.
PRECISION = 1e-3


def require_request_fields(parsed: ParsedResponse, listed: Collection[str]) -> None:
    """Raises `ConformanceError` where a response contradicts its request. `listed`: the server's model names.

    A request without a JSON object as its body, for instance for a stored response, has no fields.
    """
    request = _json_object(parsed.exchange.request_body)
    if request is not None:
        _require_known_model(parsed, request, listed)
        _require_echoed(parsed, request)
        _require_requested_stop(parsed, request)


def _require_known_model(parsed: ParsedResponse, request: JsonMapping, listed: Collection[str]) -> None:
    """By the requested model or a listed one (OpenAI API reference: `model` is the model that was used).

    `default` is mistral.rs' alias of whatever it serves, so the response may have the model's own name.
    """
    requested = request.get("model")
    known = {_normalized(name) for name in (requested, *listed) if isinstance(name, str) and name}
    for name in _models_of(parsed):
        if known and _normalized(name) not in known:
            names = ", ".join(map(repr, listed)) or "none"
            raise ConformanceError(
                "model", f"the response is by {name!r}; requested: {requested!r}, listed: {names}"
            )


def _json_object(body: bytes) -> JsonMapping | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _normalized(name: str) -> str:
    return name.removesuffix(LATEST)


def _require_echoed(parsed: ParsedResponse, request: JsonMapping) -> None:
    for document in _documents(parsed):
        if document.get("object") != "response":
            continue
        for name in ECHOED:
            sent, returned = request.get(name), document.get(name)
            if sent is not None and returned is not None and not _is_same(sent, returned):
                raise ConformanceError(
                    "request field", f"{name} is {returned!r:.200}, but {sent!r:.200} was requested"
                )


def _require_requested_stop(parsed: ParsedResponse, request: JsonMapping) -> None:
    """The `stop_sequence` of a message is one of the requested ones (Anthropic API reference, Messages)."""
    requested = request.get("stop_sequences")
    for document in _documents(parsed):
        found = document.get("stop_sequence")
        if found is not None and found not in (requested or ()):
            raise ConformanceError(
                "request field", f"stop_sequence is {found!r:.200}, requested: {requested}"
            )


def _is_same(one: Json, other: Json) -> bool:
    numbers = [value for value in (one, other) if isinstance(value, int | float)]
    same_kind = isinstance(one, bool) == isinstance(other, bool)
    if len(numbers) == 2 and same_kind:
        return math.isclose(*numbers, rel_tol=PRECISION)
    return same_kind and bool(one == other)


def _models_of(parsed: ParsedResponse) -> Iterator[str]:
    for document in _documents(parsed):
        if isinstance(document.get("model"), str):
            yield document["model"]


def _documents(parsed: ParsedResponse) -> Iterator[JsonMapping]:
    """Each document, and the response, the message or the part of one that an event has."""
    for document in parsed.values:
        if isinstance(document, dict):
            yield document
            yield from (
                document[name]
                for name in ("response", "message", "delta")
                if isinstance(document.get(name), dict)
            )
