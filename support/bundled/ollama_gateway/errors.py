"""The API level, the unsupported routes, and errors: the gateway's own and those of the target."""

from __future__ import annotations

import json

API_LEVEL = "0.17.4"
"""What /api/version returns: the imitated version of Ollama; clients check features by it."""
UNSUPPORTED_ROUTES = (
    ("POST", "/api/pull", "pulling a model"),
    ("POST", "/api/push", "pushing a model"),
    ("POST", "/api/create", "creating a model"),
    ("POST", "/api/copy", "copying a model"),
    ("DELETE", "/api/delete", "deleting a model"),
    ("POST", "/api/blobs/{digest}", "uploading a file"),
    ("HEAD", "/api/blobs/{digest}", "uploading a file"),
)
"""Method, route, feature: the gateway has no model store (docs/gateway.md)."""
UNLOADING = "unloading a model"
"""Unsupported where the target has no such route."""

# Messages of mistral.rs 0.8.1 that blame the request; they come with status 500, or without one in a stream.
_CLIENT_ERRORS = ("sequence length", "incompatible for this model", "received an empty prompt")
_MESSAGE_LIMIT = 2000


class ApiError(Exception):
    """A response other than 200. The client gets the message: it contains no path, secret or traceback."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def not_supported(feature: str) -> ApiError:
    """501, for a feature of Ollama that a gateway cannot have."""
    return ApiError(501, f"{feature} is not supported by this gateway")


def is_client_error(message: str) -> bool:
    """Whether the message blames the request, whatever its status (docs/findings.md)."""
    return any(mistake in message.lower() for mistake in _CLIENT_ERRORS)


def error_message(raw: bytes) -> str:
    """The message of an error: OpenAI's object, mistral.rs' `{"message"}`, bare text; empty without one."""
    text = raw.decode("utf-8", "replace").strip()
    try:
        value = json.loads(text)
    except ValueError:
        # An HTML page is not an error message.
        return "" if text.startswith("<") else text[:_MESSAGE_LIMIT]
    error = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(error, dict):
        error = error.get("message")
    return error[:_MESSAGE_LIMIT] if isinstance(error, str) else ""
