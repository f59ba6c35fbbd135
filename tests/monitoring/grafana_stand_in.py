"""A stand-in for Grafana: answers in the shapes of its HTTP API, for tests of the client alone.

It is no Grafana: that Grafana accepts the dashboard it does not prove.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "glsa_of-the-stand-in"
# Method, path and document of a request -> status and document of the response.
Answer = Callable[[str, str, Any], tuple[int, Any] | None]


class GrafanaStandIn:
    """Keeps what is made in it; `requests` are methods and paths, `answer` goes before all else."""

    def __init__(self, rules: list[dict[str, Any]], answer: Answer | None = None) -> None:
        self.requests: list[str] = []
        self.queries: list[Any] = []
        self.kept: dict[str, Any] = {}
        self._rules = rules
        self._answer = answer or (lambda *_: None)
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def _reply(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                document = json.loads(self.rfile.read(length)) if length else None
                allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
                status, found = owner.respond(self.command, self.path, document, allowed=allowed)
                body = found.encode() if isinstance(found, str) else json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = _reply  # noqa: N815 - names of http.server

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def respond(self, method: str, path: str, document: Any, *, allowed: bool) -> tuple[int, Any]:
        self.requests.append(f"{method} {path}")
        if (given := self._answer(method, path, document)) is not None:
            return given
        if path == "/api/health":
            return 200, {"commit": "abc", "database": "ok", "version": "11.6.0"}
        if not allowed:
            return 401, {"message": "Unauthorized"}
        if path == "/api/ds/query":
            return 200, self._frames(document)
        if path.startswith("/api/prometheus/"):
            return 200, {"status": "success", "data": {"groups": [{"name": "a", "rules": self._rules}]}}
        if method == "POST":
            self._keep(path, document)
            return 200, {"status": "success", "message": "created"}
        name = path.removesuffix("/health").rpartition("/")[2]
        if name not in self.kept:
            return 404, {"message": f"{name} not found"}
        if method == "DELETE":
            del self.kept[name]
            return 200, {"message": "deleted"}
        if path.endswith("/health"):
            return 200, {"status": "OK", "message": "Successfully queried the Prometheus API."}
        return 200, self.kept[name]

    def _keep(self, path: str, document: Any) -> None:
        if path == "/api/dashboards/db":
            stored = {**document["dashboard"], "id": 7, "version": 1}
            self.kept[stored["uid"]] = {"dashboard": stored, "meta": {"folderUid": document["folderUid"]}}
        else:
            self.kept[document["uid"]] = document

    def _frames(self, document: Any) -> Any:
        """A series with six points, or one for an instant query."""
        query = document["queries"][0]
        self.queries.append(document)
        end = int(document["to"])
        times = [end] if query["instant"] else [end - 1000 * back for back in (5, 4, 3, 2, 1, 0)]
        fields = [
            {"name": "Time", "type": "time", "typeInfo": {"frame": "time.Time"}},
            {"name": "Value", "type": "number", "labels": {"model": "m"}, "config": {}},
        ]
        frame = {"schema": {"refId": "A", "fields": fields}, "data": {"values": [times, [0.5] * len(times)]}}
        return {"results": {"A": {"status": 200, "frames": [frame]}}}


@contextmanager
def grafana_stand_in(rules: list[dict[str, Any]], answer: Answer | None = None) -> Iterator[GrafanaStandIn]:
    stand_in = GrafanaStandIn(rules, answer)
    thread = threading.Thread(target=stand_in.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        stand_in.server.shutdown()
        stand_in.server.server_close()
        thread.join()
