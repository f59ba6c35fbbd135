"""A receiver of Alertmanager's notifications on loopback: what was delivered, and when."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LIMIT = 1_000_000
END_SECONDS = 5.0


@dataclass(frozen=True)
class Notification:
    """One alert of one notification. `at`: when it came, in Unix seconds as Prometheus has them."""

    at: float
    status: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def alert(self) -> str:
        return self.labels["alertname"]


class WebhookReceiver:
    """Listens until it is closed.

    Source of the form: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    """

    def __init__(self) -> None:
        self._received: list[Notification] = []
        self._requests = 0
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = min(int(self.headers.get("Content-Length") or 0), LIMIT)
                receiver._receive(self.rfile.read(length))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    def received(self) -> list[Notification]:
        """All so far, in order."""
        with self._lock:
            return list(self._received)

    @property
    def requests(self) -> int:
        """How many notifications came, of one or more alerts each."""
        with self._lock:
            return self._requests

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(END_SECONDS)

    def _receive(self, body: bytes) -> None:
        now = time.time()
        document: Mapping[str, Any] = json.loads(body)
        found = [
            Notification(now, str(each["status"]), each["labels"], each["annotations"])
            for each in document["alerts"]
        ]
        with self._lock:
            self._received += found
            self._requests += 1
