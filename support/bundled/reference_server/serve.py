"""`mistralrs-reference serve`: load, then bind, then answer until a signal ends the process.

The packages of the HTTP side are imported when the model is loaded: a refusal does not wait for them.
"""

from __future__ import annotations

import contextlib
import os
import socket

from support.bundled.reference_server import logs
from support.bundled.reference_server.engine import PythonEngine
from support.bundled.reference_server.loading import LoadError, ModelOptions, load
from support.bundled.reference_server.options import ServerOptions


def serve(
    model: ModelOptions, host: str, port: int, options: ServerOptions, mcp_port: int | None = None
) -> None:
    """Run the server. Raises `LoadError` when the model cannot be loaded or a port cannot be bound."""
    engine = load_engine(model)
    with contextlib.ExitStack() as listeners:
        from support.bundled.reference_server.http import create_app, run_servers
        from support.bundled.reference_server.metrics import Metrics
        from support.bundled.reference_server.stream_bridge import Streams

        streams = Streams(engine, Metrics(engine.max_seqs))
        places = []
        if mcp_port is not None:
            from importlib.metadata import version

            from support.bundled.reference_server import mcp_server

            listener = listeners.enter_context(_listen_for_mcp(host, mcp_port, port))
            places.append((listener, mcp_server.create_mcp_app(streams, version("mistralrs"))))
            logs.log(
                logs.SERVE, f"MCP server listening on http://{_address(host, listener)}{mcp_server.ROUTE}"
            )
            logs.log(logs.SERVE, f"MCP protocol version is {mcp_server.PROTOCOL_VERSION}")
        listener = listeners.enter_context(_listen(host, port))
        places.append((listener, create_app(engine, options, streams)))
        # Port 0 shows the port that was given, so that it can be used.
        logs.log(logs.SERVE, f"Server listening on http://{_address(host, listener)}")
        run_servers(*places)


def _address(host: str, listener: socket.socket) -> str:
    return f"{host}:{listener.getsockname()[1]}"


def _listen_for_mcp(host: str, port: int, api_port: int) -> socket.socket:
    if port == api_port:
        raise LoadError(f"--mcp-port must differ from the HTTP --port ({port})")
    try:
        return _listen(host, port)
    except LoadError as error:
        raise LoadError(f"Failed to bind MCP server to {host}:{port}\n\nCaused by:\n    {error}") from error


def load_engine(model: ModelOptions) -> PythonEngine:
    """The engine with the model loaded; logged. Raises what `load` raises."""
    vectors = model.kind == "embedding"
    engine = PythonEngine(
        load(model), lambda: load(model, raw_prompts=True), model.max_seqs, embedding_only=vectors
    )
    logs.log(logs.SERVER, "Model loaded.")
    return engine


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), port), family=family, backlog=1024)
        # asyncio does this only for sockets that it made itself; without it an answer on a connection that
        # was used before waits 40 ms for an acknowledgement (Nagle's algorithm, RFC 896).
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except socket.gaierror as error:
        raise LoadError(f"failed to lookup address information: {error.strerror}") from error
    except OSError as error:
        number = error.errno or 0
        raise LoadError(f"{os.strerror(number)} (os error {number})") from error
