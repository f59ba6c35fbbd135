"""The process of the suite's tool servers: MCP servers whose tools answer, fail or hang.

    http RECORD     a server for each of SESSIONS on free ports of the loopback interface; these ports and the
                    port `control` are printed as one line of JSON
    stdio RECORD    the server STDIO on the standard streams

Every message that a server receives is appended to the file RECORD as a line of JSON (`RecordedMessage`),
up to a limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Generator
from pathlib import Path

import uvicorn
from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.server.mcpserver.exceptions import ToolError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from support.mcp.tool_servers import LIMIT, SESSIONS, STDIO, RecordedMessage

HOST = "127.0.0.1"


def recorder(server: str, record: Path) -> ServerMiddleware[None]:
    """A middleware of the SDK that records what a server receives."""

    async def receive(ctx: ServerRequestContext[None, object], call_next: CallNext) -> HandlerResult:
        message: RecordedMessage = {"server": server, "method": ctx.method}
        if ctx.method == "tools/call" and ctx.params is not None:
            message |= {"tool": str(ctx.params.get("name")), "arguments": ctx.params.get("arguments")}
        with record.open("a", encoding="utf-8") as file:
            if file.tell() <= LIMIT:
                file.write(json.dumps(message) + "\n")
        return await call_next(ctx)

    return receive


def create_server(name: str, record: Path) -> MCPServer[None]:
    """A server of this name with three tools: one that answers, one that fails, one that hangs."""
    server: MCPServer[None] = MCPServer(
        name, version="1", log_level="CRITICAL", middleware=[recorder(name, record)]
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
        """Never answers."""
        await asyncio.Event().wait()
        return city

    return server


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals keep their default action: they end all servers of the process at once."""
        yield


class ToolServerInstance:
    """One server over HTTP, which can be closed and opened again on its port."""

    def __init__(self, name: str, record: Path) -> None:
        self.port = 0
        self._name, self._record = name, record
        self._server: _Quiet | None = None
        self._serving: asyncio.Task[None] | None = None

    async def resume(self) -> None:
        """The port takes connections when this returns."""
        if self._serving is None:
            listener = socket.create_server((HOST, self.port))
            self.port = listener.getsockname()[1]
            server = create_server(self._name, self._record)
            app = server.streamable_http_app(stateless_http=not SESSIONS[self._name])
            self._server = _Quiet(uvicorn.Config(app, log_level="critical"))
            self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))

    async def suspend(self) -> None:
        """Close the port and every connection."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = self._server.force_exit = True
            await self._serving
            self._serving = None


async def serve(record: Path) -> None:
    """All servers, and a port that opens and closes them: `POST /open/NAME`, `POST /close/NAME`."""
    instances = {name: ToolServerInstance(name, record) for name in SESSIONS}
    for instance in instances.values():
        await instance.resume()

    async def switch(request: Request) -> Response:
        instance = instances[request.path_params["name"]]
        await (instance.resume() if request.path_params["action"] == "open" else instance.suspend())
        return Response(status_code=204)

    control = Starlette()
    control.add_route("/{action}/{name}", switch, methods=["POST"])
    listener = socket.create_server((HOST, 0))
    ports = {name: instance.port for name, instance in instances.items()} | {
        "control": listener.getsockname()[1]
    }
    print(json.dumps(ports), flush=True)
    await _Quiet(uvicorn.Config(control, log_level="critical")).serve(sockets=[listener])


def main() -> None:
    """The command line; both words are needed."""
    transport, record = sys.argv[1:]
    if transport == "http":
        asyncio.run(serve(Path(record)))
    else:
        create_server(STDIO, Path(record)).run("stdio")


if __name__ == "__main__":
    main()
