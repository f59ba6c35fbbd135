"""The same mistake sent to servers of one API: each rejects it in the error format of that API."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Sequence

from support.chat import checks
from support.chat.client import ChatEndpoint, ChatRequest
from support.errors import CheckFailed
from support.http.exchange import Exchange
from support.name_registry import NameRegistry
from support.units import JsonObject

QUESTION = ChatRequest(({"role": "user", "content": "Tell me about the comet"},), limit=4)
Mistake = Callable[[JsonObject], bytes]


def _changed(**fields: object) -> Mistake:
    return lambda request: json.dumps({**request, **fields}).encode()


def _question_is_a_number(request: JsonObject) -> bytes:
    return json.dumps({**request, "prompt" if "prompt" in request else "messages": 5}).encode()


# Name in the features -> the body that a good request becomes.
MISTAKES: NameRegistry[Mistake] = NameRegistry(
    "mistake",
    {
        "an unknown model": _changed(model="nobody-knows-this"),
        "truncated JSON": lambda request: json.dumps(request).encode()[:-9],
        "an empty body": lambda _request: b"",
        "a number as the question": _question_is_a_number,
        "a JSON string": lambda _request: b'"Tell me about the comet"',
    },
)


def send_malformed(
    endpoints: Sequence[ChatEndpoint], mistake: str, timeout: float
) -> list[tuple[ChatEndpoint, Exchange]]:
    """Send a mistake to each endpoint: its response."""
    responses = []
    for endpoint in endpoints:
        body = MISTAKES.find(mistake)(endpoint.request(QUESTION))
        with contextlib.closing(endpoint.client(timeout)) as client:
            headers = {"Content-Type": "application/json"}
            exchange = client.send("POST", endpoint.protocol.path, body=body, headers=headers)
            responses.append((endpoint, exchange))
    return responses


def require_client_errors(responses: Iterable[tuple[ChatEndpoint, Exchange]], api: str) -> None:
    """Each is an error in the form of this API with a status below 500: the request is not to be repeated."""
    for endpoint, exchange in responses:
        checks.check_error_form(endpoint.name, exchange, api)
        if exchange.status >= 500:
            raise CheckFailed(
                f"{endpoint.name}: a wrong request has the status of a server error\n{exchange.describe()}"
            )
