"""Records the exchanges of clients that are built on httpx or httpx2, such as the official ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from support.http.body_limit import ACCEPTED_ENCODINGS, limit_body
from support.http.client import Chunks, exchange_of
from support.http.exchange import Exchange


@dataclass
class _Sent:
    request: Any
    started: float
    response: Any = None
    chunks: Chunks = field(default_factory=list)
    ended: float = 0.0


class ExchangeRecorder:
    """`hooks` are the event hooks of a client; `exchanges` are its requests, unfinished ones too."""

    def __init__(self) -> None:
        self._sent: list[_Sent] = []

    @property
    def hooks(self) -> dict[str, list[Any]]:
        """For the argument `event_hooks` of a synchronous client."""
        return {"request": [self._begin], "response": [self._answered]}

    @property
    def exchanges(self) -> list[Exchange]:
        """In the order of their requests."""
        return [
            exchange_of(
                sent.request,
                str(sent.request.url),
                sent.request.read(),
                sent.response,
                sent.chunks,
                max(0.0, sent.ended - sent.started),
            )
            for sent in self._sent
        ]

    def _begin(self, request: Any) -> None:
        request.headers.update(ACCEPTED_ENCODINGS)
        self._sent.append(_Sent(request, time.monotonic()))

    def _answered(self, response: Any) -> None:
        sent = next(sent for sent in reversed(self._sent) if sent.request is response.request)
        sent.response, sent.ended = response, time.monotonic()
        limit_body(response)
        # The body is read later, as a whole or as a stream; both by this method.
        read = response.iter_bytes

        def iter_bytes(chunk_size: int | None = None) -> Iterator[bytes]:
            for chunk in read(chunk_size):
                sent.ended = time.monotonic()
                sent.chunks.append((sent.ended - sent.started, chunk))
                yield chunk

        response.iter_bytes = iter_bytes
