"""The model that a response names: the requested one, or one that the server lists."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from support.conformance.response_parser import ConformanceError, ParsedResponse
from support.units import Json, JsonMapping

# Ollama: a name without a tag means this one (api.md, Model names).
LATEST = ":latest"


def require_known_model(parsed: ParsedResponse, listed: Collection[str]) -> None:
    """Raises `ConformanceError` for a response by a model that was neither requested nor is listed.

    OpenAI API reference, Create chat completion: `model` is the model used for the completion. `default` is
    mistral.rs' alias of whatever it serves, so the response may have the model's own name. A request without
    a JSON object as its body, for instance for a stored response, requests no model.
    """
    request = _json_object(parsed.exchange.request_body)
    if request is None:
        return
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


def _models_of(parsed: ParsedResponse) -> Iterator[str]:
    """The name in each document: at its top, in the response or message that an event has."""
    for document in parsed.values:
        if not isinstance(document, dict):
            continue
        yield from _model_in(document)
        for inner in ("response", "message"):
            if isinstance(document.get(inner), dict):
                yield from _model_in(document[inner])


def _model_in(document: JsonMapping) -> Iterator[str]:
    name: Json = document.get("model")
    if isinstance(name, str):
        yield name
