"""What the gateway is, what it refuses, and the one exception that becomes an answer."""

from __future__ import annotations

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


class ApiError(Exception):
    """An answer other than 200. The words are the answer's, so they name no path, secret or trace."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def not_supported(feature: str) -> ApiError:
    """501, for what Ollama does and a gateway cannot do."""
    return ApiError(501, f"{feature} is not supported by this gateway")
