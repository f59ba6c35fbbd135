"""The process of a tool server: the suite's own MCP servers with their tools, recording what is called.

    http CALLS     a server for each of SESSIONS on free ports of the loopback interface; they and the port
                   `control` are printed as one line of JSON
    stdio CALLS    the server PROCESS on the standard streams

Every message that a server takes is added to the file CALLS, a line of JSON each: `server`, `method`, and for
the call of a tool `tool` and `arguments`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from support.mcp.tool_servers import SESSIONS, STDIO

HOST = "127.0.0.1"


class CallRecorder:
    """Writes down what a server takes: a middleware of the SDK."""

    def __init__(self, server: str, path: Path) -> None:
        self._server, self._path = server, path

    async def __call__(self, ctx: Any, call_next: Any) -> Any:
        told = {"server": self._server, "method": ctx.method}
        if ctx.method == "tools/call":
            told |= {"tool": ctx.params.get("name"), "arguments": ctx.params.get("arguments")}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")
        return await call_next(ctx)


def server_of(name: str, calls: Path) -> MCPServer[Any]:
    """A server of this name with its three tools: one that answers, one that fails, one that hangs."""
    server: MCPServer[Any] = MCPServer(
        name, version="1", log_level="CRITICAL", middleware=[CallRecorder(name, calls)]
    )

    @server.tool()
    def forecast(city: str) -> str:
        """The weather of tomorrow in a city."""
        return f"Forecast: sunshine over {city}."

    @server.tool()
    def archive(city: str) -> str:
        """The weather of the past in a city."""
        raise ToolError(f"the records of {city} cannot be read")

    @server.tool()
    async def queue(city: str) -> str:
        """Answers when somebody has time, which is never."""
        await asyncio.Event().wait()
        return city

    return server


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals keep their default: they end all servers of the process at once."""
        yield


class ToolServerInstance:
    """One server over HTTP, which can be closed and opened again on its port."""

    def __init__(self, name: str, calls: Path) -> None:
        self.port = 0
        self._name, self._calls = name, calls
        self._server: _Quiet | None = None
        self._serving: asyncio.Task[None] | None = None

    async def resume(self) -> None:
        """The port takes connections when this returns."""
        if self._serving is None:
            listener = socket.create_server((HOST, self.port))
            self.port = listener.getsockname()[1]
            app = server_of(self._name, self._calls).streamable_http_app(
                stateless_http=not SESSIONS[self._name]
            )
            self._server = _Quiet(uvicorn.Config(app, log_level="critical"))
            self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))

    async def suspend(self) -> None:
        """Give up the port and every connection."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = self._server.force_exit = True
            await self._serving
            self._serving = None


async def serve(calls: Path) -> None:
    """All servers, and a port that opens and closes them: `POST /open/NAME`, `POST /close/NAME`."""
    stands = {name: ToolServerInstance(name, calls) for name in SESSIONS}
    for stand in stands.values():
        await stand.resume()

    async def switch(request: Request) -> Response:
        stand = stands[request.path_params["name"]]
        await (stand.resume() if request.path_params["action"] == "open" else stand.suspend())
        return Response(status_code=204)

    control = Starlette()
    control.add_route("/{action}/{name}", switch, methods=["POST"])
    listener = socket.create_server((HOST, 0))
    ports = {name: stand.port for name, stand in stands.items()} | {"control": listener.getsockname()[1]}
    print(json.dumps(ports), flush=True)
    await _Quiet(uvicorn.Config(control, log_level="critical")).serve(sockets=[listener])


def main() -> None:
    """The command line; both words are needed."""
    transport, calls = sys.argv[1:]
    if transport == "http":
        asyncio.run(serve(Path(calls)))
    else:
        server_of(STDIO, Path(calls)).run("stdio")


if __name__ == "__main__":
    main()
