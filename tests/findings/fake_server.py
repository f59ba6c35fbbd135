"""A server on loopback that answers as a test says, and recordings of real servers that it plays."""

from __future__ import annotations

import hashlib
import json
import socket
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from tests.timeouts import PATIENCE

RECORDED = Path(__file__).parent / "recorded"
# Bytes: some small pieces.
MOST_UNACKNOWLEDGED = 500
KEPT_HEADERS = ("content-type", "access-control-allow-headers")


class Request(NamedTuple):
    method: str
    path: str
    body: bytes
    headers: Mapping[str, str] = {}

    @property
    def fields(self) -> dict[str, Any]:
        """The JSON object of the body, empty if it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class Response(NamedTuple):
    """With status 0, the connection is closed without a response."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {"content-type": "application/json"}
    # Pieces that are written one by one after the body; a stream that is not whole has no end.
    pieces: Sequence[bytes] = ()
    whole: bool = True
    # Each piece is sent without waiting for an acknowledgement.
    at_once: bool = False


Answer = Callable[[Request], Response]


def as_json(document: Any, status: int = 200) -> Response:
    return Response(status, json.dumps(document).encode())


def stream(*events: Any) -> Response:
    """Server-sent events: JSON documents, and texts as they are."""
    texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
    body = "".join(f"data: {text}\n\n" for text in texts).encode()
    return Response(200, body, {"content-type": "text/event-stream"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        response = self.server.answer(Request(self.command, self.path, self.rfile.read(length), headers))
        if not response.status:
            self.close_connection = True
            return
        if response.at_once:
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        try:
            self._write(response)
        except OSError:
            self.close_connection = True

    def _write(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        announced = len(response.body) + sum(map(len, response.pieces)) + (0 if response.whole else 1)
        self.send_header("Content-Length", str(announced))
        self.end_headers()
        for piece in (response.body, *response.pieces):
            if response.at_once:
                self._wait_for_room()
            self.wfile.write(piece)
        self.close_connection = self.close_connection or not response.whole

    def _wait_for_room(self) -> None:
        """Beyond a window that is not acknowledged yet, the system joins what is written (RFC 5681)."""
        import fcntl
        import termios

        deadline = time.monotonic() + PATIENCE
        unacknowledged = bytearray(4)
        while time.monotonic() < deadline:
            fcntl.ioctl(self.connection, termios.TIOCOUTQ, unacknowledged)
            if int.from_bytes(unacknowledged, sys.byteorder) < MOST_UNACKNOWLEDGED:
                return
            time.sleep(0.001)

    do_GET = do_POST = do_DELETE = do_OPTIONS = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    answer: Answer
    request_queue_size = 64


@contextmanager
def fake_server(answer: Answer) -> Iterator[str]:
    """Its address. `answer` is called in a thread for each connection."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.daemon_threads, server.answer = True, answer
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()


def key(request: Request) -> str:
    return f"{request.method} {request.path} {hashlib.sha256(request.body).hexdigest()}"


def recorded(name: str) -> Answer:
    """What a real server answered. Equal requests get their responses in order, then the last one again."""
    document = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    responses: dict[str, list[Response]] = defaultdict(list)
    for one in document["exchanges"]:
        responses[one["key"]].append(Response(one["status"], one["received"].encode(), one["headers"]))
    lock = threading.Lock()

    def answer(request: Request) -> Response:
        with lock:
            left = responses.get(key(request))
            if not left:
                return Response(599, f"not recorded: {request.method} {request.path}".encode())
            return left.pop(0) if len(left) > 1 else left[0]

    return answer
