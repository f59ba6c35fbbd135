"""Requests of users to a monitored server, with what the client counted of each: tokens, times, status."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from support.errors import CheckFailed
from support.http.answer_stream import time_to_first_token
from support.http.client import ApiClient, RequestFailed
from support.http.framing import parse_events

CHAT = "/v1/chat/completions"
QUESTION = "Go on forever"
END_SECONDS = 60.0


@dataclass(frozen=True)
class CountedRequest:
    """One request. Times in Unix seconds, as Prometheus has them; tokens by the usage of the answer."""

    began: float
    ended: float
    status: int
    first_token: float = 0.0
    tokens: int = 0
    cached: int = 0


@dataclass(frozen=True)
class User:
    """Sends requests to a server. `model`: its name there; `key`: as a bearer token."""

    url: str
    model: str
    key: str | None = None

    def stream(self, tokens: int) -> CountedRequest:
        """Read a streamed answer of so many tokens; raises `CheckFailed` when it is none."""
        with closing(ApiClient(self.url, api_key=self.key)) as client:
            return self.stream_by(client, tokens)

    def stream_by(self, client: ApiClient, tokens: int) -> CountedRequest:
        """The same by a client that is used again; it keeps no exchange."""
        document = {
            "model": self.model,
            "messages": [{"role": "user", "content": QUESTION}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0,
            "max_tokens": tokens,
        }
        began = time.time()
        exchange = client.post(CHAT, document)
        ended = time.time()
        client.exchanges.clear()
        usage: dict[str, Any] = {}
        for event in parse_events(exchange.body) if exchange.status == 200 else ():
            if event.data != "[DONE]":
                usage = json.loads(event.data).get("usage") or usage
        if not usage:
            raise CheckFailed(
                f"POST {CHAT}: no usage in the stream: {exchange.status} {exchange.text[:200]!r}"
            )
        first_token = time_to_first_token(exchange)
        if first_token is None:
            raise CheckFailed(f"POST {CHAT}: no token in the stream: {exchange.text[:200]!r}")
        details = usage.get("prompt_tokens_details") or {}
        return CountedRequest(
            began,
            ended,
            exchange.status,
            first_token=began + first_token,
            tokens=int(usage["total_tokens"]),
            cached=int(details.get("cached_tokens") or 0),
        )

    def unknown_path(self) -> CountedRequest:
        """A request that a server without defects rejects."""
        began = time.time()
        with closing(ApiClient(self.url, api_key=self.key)) as client:
            exchange = client.get(f"/unknown-{uuid.uuid4().hex[:12]}")
        return CountedRequest(began, time.time(), exchange.status)


class Users:
    """Threads that repeat a request until `stop`. `requests`: those that have ended, in this order."""

    def __init__(self, count: int, request: Callable[[], CountedRequest], pause: float = 0.0) -> None:
        """`pause`: seconds between two requests of a user."""
        self._request = request
        self._pause = pause
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._requests: list[CountedRequest] = []
        self._failure: AssertionError | None = None
        self.began = time.time()
        self._threads = [threading.Thread(target=self._repeat, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    @property
    def requests(self) -> list[CountedRequest]:
        """Raises what a request has failed with."""
        if self._failure is not None:
            raise CheckFailed(f"a request of the load failed: {self._failure}")
        with self._lock:
            return list(self._requests)

    def stop(self) -> float:
        """Wait for the open requests; when the last one had ended (Unix seconds). May be called twice."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(END_SECONDS)
        with self._lock:
            return max((one.ended for one in self._requests), default=time.time())

    def _repeat(self) -> None:
        while not self._stopped.is_set():
            try:
                found = self._request()
            except (RequestFailed, CheckFailed) as error:
                self._failure = error
                return
            with self._lock:
                self._requests.append(found)
            self._stopped.wait(self._pause)


@contextmanager
def users(count: int, request: Callable[[], CountedRequest], pause: float = 0.0) -> Iterator[Users]:
    """They stop at the end of the block."""
    running = Users(count, request, pause)
    try:
        yield running
    finally:
        running.stop()
