"""The target: its models, calls and streams, and its errors in Ollama's form.

The client is aiohttp's: no cap on connections and the least time per event of those compared (httpx adds
milliseconds with many streams). Every answer is requested as a stream, also for a non-streamed response:
mistral.rs stops a stream when its connection is closed, and generates a non-streamed answer to its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from support.bundled.ollama_gateway.errors import ApiError, error_message, is_client_error
from support.bundled.ollama_gateway.json_types import Json, JsonMapping, JsonObject

CONNECT_SECONDS = 5.0
# uvicorn (the reference server uses it) closes an idle connection after 5 s: one that is used again must be
# younger, or a request may meet the closing.
KEEPALIVE_SECONDS = 2.0
QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_NO_READ_TIMER = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)


@dataclass(frozen=True, slots=True)
class Card:
    """A model as the target lists it. `loaded` is true where the target has no `status`."""

    id: str
    created: int
    loaded: bool


class Upstream:
    """Calls of the target. Each raises `ApiError` with the message for an Ollama client."""

    def __init__(self, url: str, api_key: str | None, idle_timeout: float) -> None:
        """`idle_timeout`: seconds without a byte after which the target counts as hung."""
        self.url = url
        self.idle_timeout = idle_timeout
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """Made at its first use, inside the event loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_SECONDS, sock_read=self.idle_timeout
                ),
                auto_decompress=False,
                headers=self._headers,
                skip_auto_headers=("user-agent", "accept-encoding", "accept", "content-type"),
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def models(self) -> list[Card]:
        """The target's list, including mistral.rs' synthetic `default`."""
        answer = await self._json("GET", "/v1/models", None)
        try:
            return [
                Card(
                    str(entry["id"]), int(entry.get("created") or 0), entry.get("status") in (None, "loaded")
                )
                for entry in answer["data"]
            ]
        except (TypeError, KeyError, ValueError):
            raise ApiError(502, "the target's list of models cannot be read") from None

    async def post(self, path: str, body: JsonMapping) -> JsonObject:
        """A call with a whole answer: a JSON object."""
        answer = await self._json("POST", path, body)
        if not isinstance(answer, dict):
            raise ApiError(502, "the target's answer cannot be read")
        return answer

    async def _json(self, method: str, path: str, body: JsonMapping | None) -> Json:
        with self.translate_errors():
            async with self.session.request(method, self.url + path, **_request_arguments(body)) as response:
                raw = await response.read()
        if response.status != 200:
            raise _to_api_error(response.status, raw)
        try:
            return json.loads(raw)
        except ValueError:
            raise ApiError(502, "the target's answer cannot be read") from None

    @contextlib.asynccontextmanager
    async def events(self, path: str, body: JsonMapping) -> AsyncIterator[Body]:
        """The stream of an answer, for `SseDecoder`.

        Leaving the context closes the connection unless the stream was read to its end.
        """
        async with self.stream_response("POST", self.url + path, **_request_arguments(body)) as response:
            if response.status != 200:
                raise _to_api_error(response.status, await self.read_all(response))
            with self.body_of(response) as events:
                yield events

    @contextlib.asynccontextmanager
    async def stream_response(
        self, method: str, url: str | URL, **sent: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer whose body is read with `body_of`, which has a timeout of its own."""
        with self.translate_errors():
            async with asyncio.timeout(self.idle_timeout):
                response = await self.session.request(method, url, timeout=_NO_READ_TIMER, **sent)
            async with response:
                yield response

    async def read_all(self, response: aiohttp.ClientResponse) -> bytes:
        """The body of an answer that is not a stream."""
        async with asyncio.timeout(self.idle_timeout):
            return await response.read()

    @contextlib.contextmanager
    def body_of(self, response: aiohttp.ClientResponse) -> Iterator[Body]:
        """The body of an answer, read by read."""
        body = Body(response, self.idle_timeout)
        try:
            yield body
        finally:
            body.close()

    @contextlib.contextmanager
    def translate_errors(self) -> Any:
        """Connection errors as `ApiError`, without the target's address."""
        try:
            yield
        except (TimeoutError, aiohttp.ServerTimeoutError):
            raise ApiError(504, f"the target sent nothing for {self.idle_timeout:g} s") from None
        except aiohttp.ClientConnectorError:
            raise ApiError(502, "the target cannot be reached") from None
        except aiohttp.ClientError:
            raise ApiError(502, "the target broke the connection") from None


def _request_arguments(body: JsonMapping | None) -> JsonObject:
    if body is None:
        return {}
    return {"data": json.dumps(body).encode(), "headers": {"content-type": "application/json"}}


class Body:
    """The body of an answer as it comes."""

    def __init__(self, response: aiohttp.ClientResponse, idle_timeout: float) -> None:
        """`idle_timeout`: seconds that may pass without a byte while one is awaited."""
        _disable_delayed_ack(response)
        self._content = response.content
        self._idle_timeout = idle_timeout
        self._loop = asyncio.get_running_loop()
        self._waiting_since = math.inf
        # aiohttp's own is set anew with every read, which costs a tenth of all that is done for a token.
        self._timer = self._loop.call_later(idle_timeout, self._check_idle)

    def close(self) -> None:
        """Stop the timeout."""
        self._timer.cancel()

    async def read(self) -> bytes:
        """All that came since the last read; empty at the end. Raises aiohttp.ClientError."""
        self._waiting_since = self._loop.time()
        part = await self._content.readany()
        self._waiting_since = math.inf
        return part

    def _check_idle(self) -> None:
        quiet = max(self._loop.time() - self._waiting_since, 0.0)
        if quiet < self._idle_timeout:
            self._timer = self._loop.call_later(self._idle_timeout - quiet, self._check_idle)
        else:
            self._content.set_exception(aiohttp.ServerTimeoutError())


def _disable_delayed_ack(response: aiohttp.ClientResponse) -> None:
    """Disable delayed acknowledgements for this connection. Linux only.

    mistral.rs leaves Nagle's algorithm (RFC 896) on: each of its small writes waits until the one before is
    acknowledged, and a receiver that has just sent something puts that off for 40 ms. Once is enough: nothing
    more is sent before the answer's end.
    """
    transport = response.connection.transport if response.connection else None
    connected = transport.get_extra_info("socket") if transport else None
    if connected is not None and QUICK_ACK is not None:
        with contextlib.suppress(OSError):
            connected.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)


def _to_api_error(status: int, raw: bytes) -> ApiError:
    """The target's error for an Ollama client: invalid input is 400, whatever the target's status."""
    message = error_message(raw) or f"the target answered with status {status}"
    wrong_input = status in (413, 415, 422) or (status == 500 and is_client_error(message))
    return ApiError(400 if wrong_input else status if status >= 400 else 502, message)
