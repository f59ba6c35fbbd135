"""MCP: options have no effect (0.8.1), and foreign origins are served (0.9.2)

Steps: start a server with `--mcp-config` for a file that does not exist, and one with `--mcp-port`; to the
latter send `initialize`, `notifications/initialized`, a call of an unknown tool, and requests with a
foreign `Origin` and an unknown `MCP-Protocol-Version`.

Expected: the first start is rejected; the port serves MCP. A notification is answered with 202 and no body;
a foreign Origin with 403, against DNS rebinding; an unknown protocol version with 400 (MCP specification
2025-11-25, Transports); an unknown tool with -32602 (Tools, error handling).

Received: 0.8.1 accepts both options, never reads the file, and nothing listens on the port; 0.8.2 and 0.8.4
are the first to use them. 0.9.2: 200 with a JSON-RPC error and the id null; served; served; -32601.
"""

from __future__ import annotations

import tempfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _client import (
    CannotDecide,
    Defect,
    Row,
    Server,
    find,
    free_port,
    model_arguments,
    panic_line,
    run,
    started,
    wait_until,
    wrong_rows,
)

LISTENS_WITHIN = 5
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
CLIENT: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "finding", "version": "1"},
}


def message(method: str, number: int | None = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params} | ({} if number is None else {"id": number})


def reached(port: int) -> Server | None:
    try:
        return Server(Namespace(url=f"http://127.0.0.1:{port}"))
    except CannotDecide:
        return None


def start(options: Namespace, *words: str) -> Iterator[str | None]:
    """Yields once: None when the server is ready, or why it ended."""
    port = free_port()
    command = [options.program, "serve", "--port", str(port), *words, *model_arguments(options.file)]
    with started(command) as (process, output):
        wait_until(lambda: process.poll() is not None or reached(port), 120)
        yield None if process.poll() is None else f"exit code {process.poll()}: {panic_line(output())}"


def check(options: Namespace) -> Iterator[Defect]:
    with tempfile.TemporaryDirectory() as place:
        missing = str(Path(place) / "missing.json")
        for ended in start(options, "--mcp-config", missing):
            if ended is None:
                yield Defect(
                    "serve --mcp-config with a file that does not exist",
                    "a server that is ready",
                    "a rejected start",
                )
    port = free_port()
    for ended in start(options, "--mcp-port", str(port)):
        if ended is not None:
            raise CannotDecide(f"the server with an MCP port ended: {ended}")
        server = wait_until(lambda: reached(port), LISTENS_WITHIN)
        if server is None:
            yield Defect("serve --mcp-port", "nothing listens on that port", "MCP")
        else:
            yield from wrong_rows(server, rows())


def rows() -> Iterator[Row]:
    initialize = message("initialize", **CLIENT)
    checks: tuple[tuple[Any, dict[str, str], str, Any], ...] = (
        (
            initialize,
            {},
            "the protocol version",
            lambda answer: bool(find(answer.json, "result.protocolVersion")),
        ),
        (
            message("notifications/initialized", None),
            {},
            "202 without a body",
            lambda answer: answer.status == 202 and not answer.body,
        ),
        (
            message("tools/call", name="nowhere", arguments={}),
            {},
            "the error -32602",
            lambda answer: find(answer.json, "error.code") == -32602,
        ),
        (initialize, {"Origin": "http://evil.example"}, "403", lambda answer: answer.status == 403),
        (message("ping"), {"MCP-Protocol-Version": "1999-12-31"}, "400", lambda answer: answer.status == 400),
    )
    for body, headers, expected, right in checks:
        yield Row(
            "POST",
            "/mcp",
            body,
            expected,
            right,
            HEADERS | headers,
            f"{body['method']} {headers or ''}".strip(),
        )


if __name__ == "__main__":
    run(check, __doc__, "program", "file")
