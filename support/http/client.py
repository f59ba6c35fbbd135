"""Sends requests and keeps what came back, byte by byte."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx

from support.http.exchange import Exchange

ANSWER_SECONDS = 30.0


class NoAnswer(AssertionError):
    """The server refused, broke off, or did not finish in time."""


class ApiClient:
    """One server's API. Keeps every `Exchange` of its life in `exchanges`, as evidence."""

    def __init__(self, base_url: str, *, api_key: str | None = None, within: float = ANSWER_SECONDS) -> None:
        """`within`: seconds for a whole answer, a trickling stream included."""
        self.base_url = base_url.rstrip("/")
        self.exchanges: list[Exchange] = []
        self._within = within
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        # Loopback and given targets only: no proxy of the environment may come between.
        self._client = httpx.Client(timeout=within, trust_env=False, follow_redirects=False)

    def close(self) -> None:
        self._client.close()

    def get(self, path: str) -> Exchange:
        return self.send("GET", path)

    def post(self, path: str, document: Mapping[str, Any]) -> Exchange:
        """Send a JSON document."""
        body = json.dumps(document, ensure_ascii=False).encode()
        return self.send("POST", path, body=body, headers={"Content-Type": "application/json"})

    def send(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Exchange:
        """Send exactly these bytes and read to the end; raises `NoAnswer`."""
        url = self.base_url + path
        sent = {**self._headers, **(headers or {})}
        request = self._client.build_request(method, url, content=body or None, headers=sent)
        started = time.monotonic()
        chunks: list[tuple[float, bytes]] = []
        try:
            response = self._client.send(request, stream=True)
            try:
                for chunk in response.iter_bytes():
                    elapsed = time.monotonic() - started
                    chunks.append((elapsed, chunk))
                    # httpx' time-out is per read: a stream that trickles for ever never meets it.
                    if elapsed > self._within:
                        raise NoAnswer(self._failed(request, "did not finish", chunks))
            finally:
                response.close()
        except httpx.TimeoutException:
            raise NoAnswer(self._failed(request, "did not answer", chunks)) from None
        except httpx.HTTPError as error:
            raise NoAnswer(self._failed(request, f"broke off ({error})", chunks)) from None
        exchange = Exchange(
            method=method,
            url=url,
            request_headers=dict(request.headers),
            request_body=body,
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=b"".join(chunk for _, chunk in chunks),
            seconds=time.monotonic() - started,
            chunks=tuple(chunks),
        )
        self.exchanges.append(exchange)
        return exchange

    def _failed(self, request: httpx.Request, how: str, chunks: list[tuple[float, bytes]]) -> str:
        got = sum(len(chunk) for _, chunk in chunks)
        return (
            f"{request.method} {request.url}: the server {how} within {self._within:.0f} s; "
            f"{got} bytes had come in {len(chunks)} reads"
        )
