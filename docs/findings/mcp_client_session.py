"""The MCP client omits the session id, so tool servers with sessions do not work (0.9.2, 0.9.5)

Steps: start a server with `--mcp-config` for one tool server that returns `Mcp-Session-Id` with the result
of `initialize`.

Expected: each further request of the client has that header. MCP specification 2025-11-25, Transports,
Session Management: clients must include it on all of their subsequent HTTP requests. Servers made with the
official Python SDK keep sessions unless they are created with `stateless_http=True`, and reject requests
without the header (`Bad Request: Missing session ID`).

Received: `initialize`, then requests without the header. 0.8.1 never reads the file: no request comes.
"""

from __future__ import annotations

import json
import tempfile
import threading
from argparse import Namespace
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from _client import (
    CannotDecide,
    Defect,
    Server,
    free_port,
    model_arguments,
    panic_line,
    run,
    started,
    wait_until,
)

SESSION = "finding-1"
TOOL = {
    "name": "get_weather",
    "description": "The weather",
    "inputSchema": {"type": "object", "properties": {}},
}
ASKS_WITHIN = 3


class ToolServer(BaseHTTPRequestHandler):
    """MCP over HTTP; `requests` has the method and the session id of each request."""

    requests: list[tuple[str, str]]

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        method = str(message.get("method"))
        self.requests.append((method, self.headers.get("mcp-session-id") or ""))
        version = message.get("params", {}).get("protocolVersion", "2025-11-25")
        about = {
            "protocolVersion": version,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "a", "version": "1"},
        }
        result: dict[str, Any] = (
            about if method == "initialize" else {"tools": [TOOL]} if method == "tools/list" else {}
        )
        notified = "id" not in message
        body = (
            b""
            if notified
            else json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        )
        self.send_response(202 if notified else 200)
        if method == "initialize":
            self.send_header("Mcp-Session-Id", SESSION)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def ready(port: int) -> bool:
    try:
        Server(Namespace(url=f"http://127.0.0.1:{port}"))
    except CannotDecide:
        return False
    return True


def check(options: Namespace) -> Iterator[Defect]:
    requests: list[tuple[str, str]] = []
    tools = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (ToolServer,), {"requests": requests}))
    thread = threading.Thread(target=tools.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / "mcp.json"
            source = {"type": "Http", "url": f"http://127.0.0.1:{tools.server_address[1]}/mcp"}
            one = {"id": "tools", "name": "tools", "source": source}
            file.write_text(json.dumps({"servers": [one], "auto_register_tools": True}), encoding="utf-8")
            start(options, file, requests)
    finally:
        tools.shutdown()
        thread.join()
        tools.server_close()
    sent = "serve --mcp-config with a tool server that has sessions"
    if not requests:
        yield Defect(
            sent, "no request to the tool server", "initialize, and further requests with the session id"
        )
    for method, session in requests[1:]:
        if session != SESSION:
            yield Defect(
                sent, f"{method} with Mcp-Session-Id {session or '(none)'}", f"Mcp-Session-Id {SESSION}"
            )


def start(options: Namespace, file: Path, requests: list[tuple[str, str]]) -> None:
    """Until the server is ready, and some requests have come or none has for a while."""
    port = free_port()
    command = [
        options.program,
        "serve",
        "--port",
        str(port),
        "--mcp-config",
        file,
        *model_arguments(options.file),
    ]
    with started(command) as (process, output):
        wait_until(lambda: process.poll() is not None or ready(port), 120)
        if process.poll() is not None:
            raise CannotDecide(f"the server ended with exit code {process.poll()}: {panic_line(output())}")
        wait_until(lambda: len(requests) > 1, ASKS_WITHIN)


if __name__ == "__main__":
    run(check, __doc__, "program", "file")
