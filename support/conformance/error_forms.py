"""The form of an error in each API.

Sources: OpenAI's API reference, Errors (`{"error": {"message", "type", ...}}`); Ollama's docs/api/errors.mdx
(`{"error": "<text>"}`).
"""

from __future__ import annotations

from support.http.exchange import Exchange, NotJson


def require_error_form(endpoint: str, exchange: Exchange, api: str) -> None:
    """An error in the form of this API (OpenAI, Ollama), with a message; raises AssertionError.

    `endpoint`: its name in the failure.
    """
    try:
        document = exchange.json()
    except NotJson:
        document = None
    message = document.get("error") if isinstance(document, dict) else None
    if api == "OpenAI":
        message = message.get("message") if isinstance(message, dict) else None
    assert exchange.status >= 400 and isinstance(message, str) and message.strip(), (
        f"{endpoint}: expected an error in the form of the {api} API\n{exchange.describe()}"
    )


def require_client_error(endpoint: str, exchange: Exchange, api: str) -> None:
    """The same, with a status below 500: the request was wrong, and is not to be repeated."""
    require_error_form(endpoint, exchange, api)
    assert exchange.status < 500, (
        f"{endpoint}: a wrong request has the status of a server error\n{exchange.describe()}"
    )
