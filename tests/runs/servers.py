"""Servers on the loopback that a run may be pointed at: a small OpenAI API, none at all, a mute one."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

MODELS = {"object": "list", "data": [{"id": "default", "object": "model", "created": 1, "owned_by": "toy"}]}


class SmallApi(BaseHTTPRequestHandler):
    """Lists a model and is well; every chat gets the same refusal. `/other` has no API."""

    protocol_version = "HTTP/1.1"
    authorizations: set[str]

    def do_GET(self) -> None:
        self.authorizations.add(self.headers.get("Authorization", ""))
        if self.path == "/v1/models":
            self._answer(200, "application/json", json.dumps(MODELS))
        elif self.path == "/metrics":
            self._answer(200, "text/plain; version=0.0.4", f"answers_total {len(self.authorizations)}\n")
        elif self.path in ("/", "/health"):
            self._answer(200, "text/plain", "OK")
        else:
            self._answer(404, "text/html", "<h1>It works!</h1>")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self.authorizations.add(self.headers.get("Authorization", ""))
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        # As careless servers do.
        sent = self.headers.get("Authorization", "")
        spelt = base64.b64encode(sent.encode()).decode()
        error = {
            "message": f"no model today for {sent}, {quote(sent)}, {spelt}",
            "type": "server_error",
            "param": None,
            "code": "500",
        }
        self._answer(500, "application/json", json.dumps({"error": error}))

    do_DELETE = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: pytest shows what fails."""

    def _answer(self, status: int, media_type: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode())


@contextmanager
def small_api() -> Iterator[tuple[int, set[str]]]:
    """Its port, and the Authorization headers that it was sent."""
    seen: set[str] = set()
    handler = type("Handler", (SmallApi,), {"authorizations": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1], seen
        finally:
            server.shutdown()
            thread.join(5)


@contextmanager
def mute() -> Iterator[int]:
    """A port that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextmanager
def closed() -> Iterator[int]:
    """A port that refuses connections: it is taken, so that nobody else listens on it meanwhile."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def is_closed(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(2)
        return client.connect_ex(("127.0.0.1", port)) != 0
