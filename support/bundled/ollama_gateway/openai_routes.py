"""Ollama's OpenAI-compatible routes: the target's own, with Ollama's model names and Ollama's errors.

In a request only the model name is changed (and JSON mode, which mistral.rs 0.8.1 does not support, and null,
which it rejects in some fields), in a response only the name. An error of the target gets OpenAI's form
(openai/openai.go, NewError).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from aiohttp import web

from support.bundled.ollama_gateway.errors import ApiError, error_message
from support.bundled.ollama_gateway.json_types import Json, JsonMapping, JsonObject
from support.bundled.ollama_gateway.model_registry import Model, Models
from support.bundled.ollama_gateway.ollama_requests import decoder, first_value
from support.bundled.ollama_gateway.request_translator import ANY_OBJECT

OPENAI_ROUTES = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
# Other APIs: their errors keep the target's form.
OTHER_API_ROUTES = ("/v1/responses", "/v1/messages", "/v1/messages/count_tokens")
_ERROR_TYPES = {400: "invalid_request_error", 404: "not_found_error"}
_WHITESPACE = re.compile(r"[ \t\r\n]*")
_PATH = re.compile(r"(?<![\w:/])/(?:[\w.@+-]+/)+[\w.@+-]+")


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an object in a text: its value, and from where to where that stands."""

    value: Json
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ProxiedRequest:
    """A request for the target. `model`: its name is replaced; None: the request has the target's own name.

    `is_other_api`: errors keep their form; only names and paths are replaced.
    """

    body: bytes
    model: Model | None
    name: str
    is_other_api: bool = False


def error(refusal: ApiError) -> web.Response:
    """An error in OpenAI's form."""
    kind = _ERROR_TYPES.get(refusal.status, "invalid_request_error" if refusal.status < 500 else "api_error")
    body = {"message": refusal.message, "type": kind, "param": None, "code": None}
    return web.json_response({"error": body}, status=refusal.status)


def card(model: Model, name: str = "") -> JsonObject:
    """A model in OpenAI's list: with the requested name, or that of Ollama's list."""
    return {"id": name or model.name, "object": "model", "created": model.card.created, "owned_by": "library"}


def members(text: str) -> Iterator[tuple[str, Member]]:
    """The members of the object in a text of sound JSON, each with its place."""
    at = _skip_whitespace(text, 0) + 1
    while text[at := _skip_whitespace(text, at)] != "}":
        name, at = decoder.raw_decode(text, at)
        start = _skip_whitespace(text, _skip_whitespace(text, at) + 1)
        value, end = decoder.raw_decode(text, start)
        yield name, Member(value, start, end)
        at = _skip_whitespace(text, end)
        at += text[at] == ","


def _skip_whitespace(text: str, at: int) -> int:
    found = _WHITESPACE.match(text, at)
    assert found is not None, "this pattern matches anything"
    return found.end()


async def prepare(path: str, body: bytes, models: Models) -> ProxiedRequest:
    """The request in the target's form. Raises `ApiError` with Ollama's status and message."""
    value = first_value(body)
    if not isinstance(value, dict):
        raise ApiError(400, "the request's body is not a JSON object")
    name = value.get("model") or ""
    if not isinstance(name, str) or not name:
        raise ApiError(400, "model is required")
    _validate(path, value)
    # mistral.rs takes its models' own names, too.
    model = await models.find(name)
    if model is None and not models.is_listed(name):
        raise ApiError(404, f"model '{name}' not found")
    text = body.decode("utf-8", "replace")
    if None in value.values():
        # For Go null is an absent field; mistral.rs 0.8.1 rejects it in some.
        text = json.dumps({field: each for field, each in value.items() if each is not None})
    changes: JsonObject = {"model": model.card.id} if model is not None else {}
    if models.is_mistralrs and value.get("response_format") == {"type": "json_object"}:
        changes["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "object", "schema": dict(ANY_OBJECT)},
        }
    return ProxiedRequest(_replace_members(text, changes), model, name)


async def prepare_other_api(body: bytes, models: Models) -> ProxiedRequest:
    """The same for another API: the target validates the request, only the name of the model is changed."""
    try:
        value = first_value(body)
    except ApiError:
        value = None
    name = value.get("model") if isinstance(value, dict) else None
    model = await models.find(name) if isinstance(name, str) and name else None
    if model is None:
        return ProxiedRequest(body, None, "", is_other_api=True)
    return ProxiedRequest(
        _replace_members(body.decode("utf-8", "replace"), {"model": model.card.id}), model, str(name), True
    )


def _validate(path: str, value: JsonMapping) -> None:
    """What Ollama's middleware rejects before any model gets it (middleware/openai.go)."""
    if path == "/v1/chat/completions" and not value.get("messages"):
        raise ApiError(400, "[] is too short - 'messages'")
    if path == "/v1/embeddings" and not value.get("input"):
        raise ApiError(400, "invalid input")
    messages = value.get("messages")
    for message in messages if isinstance(messages, list) else ():
        parts = message.get("content") if isinstance(message, dict) else None
        for part in parts if isinstance(parts, list) else ():
            image = part.get("image_url") if isinstance(part, dict) else None
            url = image.get("url") if isinstance(image, dict) else image
            if isinstance(url, str) and not url.startswith("data:"):
                # The target would fetch it from any address in the request.
                raise ApiError(400, "invalid image input")


def _replace_members(text: str, changes: JsonMapping) -> bytes:
    """The text with other values of some members of its object, and everything else as it was."""
    parts, at = [], 0
    for name, member in members(text):
        if name in changes:
            parts += [text[at : member.start], json.dumps(changes[name])]
            at = member.end
    return "".join([*parts, text[at:]]).encode()


def translate_error(status: int, raw: bytes, proxied: ProxiedRequest) -> ApiError:
    """The target's error: invalid input is 400, and paths on the target's disk are removed."""
    message = error_message(raw) or f"the target answered with status {status}"
    return ApiError(400 if status in (413, 415, 422) else status, strip_paths(message, proxied))


def strip_paths(message: str, proxied: ProxiedRequest) -> str:
    """An error message with the requested model name, and without paths on the target's disk."""
    if proxied.model is not None:
        message = message.replace(proxied.model.card.id, proxied.name)
    return _PATH.sub("(path)", message)


class ModelNameRewriter:
    """Replaces the target's model name by the requested one, in bytes that come in parts."""

    def __init__(self, proxied: ProxiedRequest) -> None:
        assert proxied.model is not None, "nothing has to be renamed"
        own = json.dumps(proxied.model.card.id, ensure_ascii=False).encode()
        name = json.dumps(proxied.name).encode()
        self._pairs = [(b'"model":' + blank + own, b'"model":' + blank + name) for blank in (b"", b" ")]
        self._rest = b""

    def feed(self, part: bytes) -> bytes:
        """What may be sent on: whole lines; targets write whole events, so that nothing waits."""
        whole, newline, self._rest = (self._rest + part).rpartition(b"\n")
        return self._rewrite(whole + newline)

    def end(self) -> bytes:
        """What came after the last line break: all of an answer that is no stream."""
        rest, self._rest = self._rest, b""
        return self._rewrite(rest)

    def _rewrite(self, text: bytes) -> bytes:
        for own, name in self._pairs:
            text = text.replace(own, name)
        return text
