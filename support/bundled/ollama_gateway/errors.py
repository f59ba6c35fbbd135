"""What the gateway is, what it refuses, and the one exception that becomes an answer."""

from __future__ import annotations

import json

API_LEVEL = "0.17.4"
"""What /api/version tells: the Ollama whose answers these are. Clients look there for what they may ask."""
UNSUPPORTED_ROUTES = (
    ("POST", "/api/pull", "pulling a model"),
    ("POST", "/api/push", "pushing a model"),
    ("POST", "/api/create", "creating a model"),
    ("POST", "/api/copy", "copying a model"),
    ("DELETE", "/api/delete", "deleting a model"),
    ("POST", "/api/blobs/{digest}", "uploading a file"),
    ("HEAD", "/api/blobs/{digest}", "uploading a file"),
)
"""Method, route, and what it would do: a store of models, which a gateway has not (docs/gateway.md)."""
UNLOADING = "unloading a model"
"""Refused where the target has no such route."""

# Messages of mistral.rs 0.8.1 that blame the request; they come with status 500, or without one in a stream.
_CLIENT_ERRORS = ("sequence length", "incompatible for this model", "received an empty prompt")
_MESSAGE_LIMIT = 2000


class ApiError(Exception):
    """An answer other than 200. The words are the answer's, so they name no path, secret or trace."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def not_supported(feature: str) -> ApiError:
    """501, for what Ollama does and a gateway cannot do."""
    return ApiError(501, f"{feature} is not supported by this gateway")


def is_client_error(message: str) -> bool:
    """Whether these words blame the request, whatever status they came with (docs/findings.md)."""
    return any(mistake in message.lower() for mistake in _CLIENT_ERRORS)


def error_message(raw: bytes) -> str:
    """The message of an error: OpenAI's object, mistral.rs' `{"message"}`, bare text; empty without one."""
    text = raw.decode("utf-8", "replace").strip()
    try:
        value = json.loads(text)
    except ValueError:
        # A page for browsers is nobody's error message.
        return "" if text.startswith("<") else text[:_MESSAGE_LIMIT]
    said = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(said, dict):
        said = said.get("message")
    return said[:_MESSAGE_LIMIT] if isinstance(said, str) else ""
