"""The same mistake sent to servers of one API: each rejects it in the error format of that API."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from support.chat.client import ChatEndpoint, ChatRequest
from support.conformance.error_forms import require_client_error
from support.http.exchange import Exchange
from support.units import JsonObject

QUESTION = ChatRequest(({"role": "user", "content": "Tell me about the comet"},), limit=4)
Mistake = Callable[[JsonObject], bytes]


def _changed(**fields: object) -> Mistake:
    return lambda request: json.dumps({**request, **fields}).encode()


def _question_is_a_number(request: JsonObject) -> bytes:
    return json.dumps({**request, "prompt" if "prompt" in request else "messages": 5}).encode()


# Name in the features -> the body that a good request becomes.
MISTAKES: dict[str, Mistake] = {
    "an unknown model": _changed(model="nobody-knows-this"),
    "truncated JSON": lambda request: json.dumps(request).encode()[:-9],
    "an empty body": lambda _request: b"",
    "a number as the question": _question_is_a_number,
    "a JSON string": lambda _request: b'"Tell me about the comet"',
}


@dataclass(frozen=True)
class Refusals:
    """The response of each endpoint to a mistake."""

    responses: tuple[tuple[ChatEndpoint, Exchange], ...]

    def require_client_errors(self, api: str) -> None:
        """Each is an error of the client in the form of this API; raises AssertionError."""
        for endpoint, exchange in self.responses:
            require_client_error(endpoint.name, exchange, api)


def send_malformed(endpoints: Sequence[ChatEndpoint], mistake: str, timeout: float) -> Refusals:
    """Send a mistake to each endpoint."""
    responses = []
    for endpoint in endpoints:
        body = MISTAKES[mistake](endpoint.request(QUESTION))
        with contextlib.closing(endpoint.client(timeout)) as client:
            headers = {"Content-Type": "application/json"}
            exchange = client.send("POST", endpoint.protocol.path, body=body, headers=headers)
            responses.append((endpoint, exchange))
    return Refusals(tuple(responses))
