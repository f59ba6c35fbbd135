"""What a client on httpx sends and receives is recorded, also a stream that breaks off."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import httpx
import pytest

from support.http.recorder import ExchangeRecorder
from tests.http.tiny_server import Reply, TinyServer


def test_a_stream_that_breaks_off_keeps_what_has_arrived(serve: Callable[[Reply], TinyServer]) -> None:
    def broken(connection: socket.socket, closing: threading.Event) -> None:  # noqa: ARG001 - of every reply
        connection.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 99\r\n\r\ndata: 1"
        )

    recorder = ExchangeRecorder()
    with (
        httpx.Client(event_hooks=recorder.hooks, trust_env=False) as client,
        pytest.raises(httpx.TransportError),
    ):
        client.post(serve(broken).url, json={"stream": True})
    (exchange,) = recorder.exchanges
    assert (exchange.status, exchange.content_type, exchange.body) == (200, "text/event-stream", b"data: 1")
    assert len(exchange.chunks) == 1 and exchange.seconds >= exchange.chunks[0][0] > 0
