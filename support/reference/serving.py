"""`mistralrs-reference serve`: load, then bind, then answer until a signal ends the process.

The packages of the HTTP side are imported when the model is loaded: a refusal does not wait for them.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from support.reference import logs
from support.reference.engine import WheelEngine
from support.reference.loading import LoadError, ModelOptions, load


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What the command line can switch: metrics, the access log, a file for the request bodies."""

    metrics: bool = True
    access_log: bool = True
    request_log: Path | None = None


def serve(model: ModelOptions, host: str, port: int, options: ServerOptions) -> None:
    """Run the server. Raises `LoadError` when the model cannot be loaded or the port cannot be had."""
    engine = load_engine(model)
    with _listen(host, port) as listener:
        from support.reference.http import answer_on, create_app

        app = create_app(engine, options)
        # `port` 0 shows the port that was given, so that it can be used.
        logs.log(logs.SERVE, f"Server listening on http://{host}:{listener.getsockname()[1]}")
        answer_on(listener, app)


def load_engine(model: ModelOptions) -> WheelEngine:
    """The engine with the model loaded, said in the log. Raises what `load` raises."""
    engine = WheelEngine(load(model), lambda: load(model, raw_prompts=True), model.max_seqs)
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
