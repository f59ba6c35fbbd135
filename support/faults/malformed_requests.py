"""The same mistake sent to servers of one API: each refuses it in the form of that API.

Sources of the forms: OpenAI's API reference, Errors (`{"error": {"message", "type", ...}}`); Ollama's
docs/api/errors.mdx (`{"error": "<text>"}`).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from support.chat.endpoint import ChatEndpoint, ChatRequest
from support.http.exchange import Exchange, NotJson

QUESTION = ChatRequest(({"role": "user", "content": "Tell me about the comet"},), limit=4)
Mistake = Callable[[dict[str, Any]], bytes]


def _changed(**fields: Any) -> Mistake:
    return lambda request: json.dumps({**request, **fields}).encode()


def _question_is_a_number(request: dict[str, Any]) -> bytes:
    return json.dumps({**request, "prompt" if "prompt" in request else "messages": 5}).encode()


# Name in the features -> the body that a good request becomes.
MISTAKES: dict[str, Mistake] = {
    "an unknown model": _changed(model="nobody-knows-this"),
    "a request that breaks off": lambda request: json.dumps(request).encode()[:-9],
    "an empty request": lambda request: b"",
    "a question that is a number": _question_is_a_number,
    "text instead of a request": lambda request: b'"Tell me about the comet"',
}


def send_malformed(
    endpoints: Sequence[ChatEndpoint], mistake: str, timeout: float
) -> list[tuple[ChatEndpoint, Exchange]]:
    """What each route answers to this mistake."""
    answered = []
    for route in endpoints:
        body = MISTAKES[mistake](route.request(QUESTION))
        with contextlib.closing(route.client(timeout)) as client:
            headers = {"Content-Type": "application/json"}
            answered.append((route, client.send("POST", route.protocol.path, body=body, headers=headers)))
    return answered


def require_error_format(refused: Sequence[tuple[ChatEndpoint, Exchange]], api: str) -> None:
    """Each is an error in the form of this API (OpenAI, Ollama), with words; raises AssertionError."""
    for route, exchange in refused:
        words = _ERROR_MESSAGES[api](exchange)
        assert exchange.status >= 400 and isinstance(words, str) and words.strip(), (
            f"{route.name}: expected a refusal in the form of {api}'s API\n{exchange.describe()}"
        )


def require_refused(refused: Sequence[tuple[ChatEndpoint, Exchange]], api: str) -> None:
    """Each is refused in the form of this API, as a mistake of the client's, which is not to be repeated."""
    require_error_format(refused, api)
    for route, exchange in refused:
        assert exchange.status < 500, (
            f"{route.name}: a mistake of the client's is told as a failure of the server\n"
            f"{exchange.describe()}"
        )


def _error(exchange: Exchange) -> Any:
    try:
        document = exchange.json()
    except NotJson:
        return None
    return document.get("error") if isinstance(document, dict) else None


def _openai_message(exchange: Exchange) -> Any:
    error = _error(exchange)
    return error.get("message") if isinstance(error, dict) else None


_ERROR_MESSAGES: dict[str, Callable[[Exchange], Any]] = {"OpenAI": _openai_message, "Ollama": _error}
