"""A server on loopback that answers as a test says, down to the byte."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable

from tests.timeouts import PATIENCE

Reply = Callable[[socket.socket, threading.Event], None]


def bytes_reply(*parts: bytes) -> Reply:
    """Send these bytes, then close."""

    def send(connection: socket.socket, _closing: threading.Event) -> None:
        for part in parts:
            connection.sendall(part)

    return send


def reply(body: bytes, status: str = "200 OK", content_type: str = "application/json") -> Reply:
    """A whole answer."""
    # Unannounced, the end could come while the client sends its next request.
    kind = f"Content-Type: {content_type}\r\nContent-Length: {len(body)}"
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\n{kind}\r\n\r\n"
    return bytes_reply(head.encode(), body)


def json_reply(document: object, status: str = "200 OK") -> Reply:
    return reply(json.dumps(document).encode(), status)


def silence(_connection: socket.socket, closing: threading.Event) -> None:
    """Never answer."""
    closing.wait(PATIENCE)


def trickle(*first: bytes, every: float = 0.05, drop: bytes = b"x") -> Reply:
    """Send the first bytes, then for ever one drop after the other."""

    def send(connection: socket.socket, closing: threading.Event) -> None:
        for part in first:
            connection.sendall(part)
        while not closing.wait(every):
            connection.sendall(drop)

    return send


class TinyServer:
    """Answers each connection once; `requests` are the heads and bodies that came."""

    def __init__(self, answer: Reply) -> None:
        self.requests: list[bytes] = []
        self._answer = answer
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def close(self) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=PATIENCE)
            assert not thread.is_alive(), "a thread of the tiny server hangs"

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(PATIENCE)
            self.requests.append(_request(connection))
            self._answer(connection, self._closing)


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in head.lower().splitlines() if line.startswith(b"content-length")
    ]
    while lengths and len(body) < int(lengths[0]):
        part = connection.recv(65536)
        body += part
        data += part
    return data
