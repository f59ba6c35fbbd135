"""`mistralrs-reference serve`: load, then bind, then answer until a signal ends the process."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Generator

import uvicorn

from support.reference import logs
from support.reference.engine import WheelEngine
from support.reference.http import ServerOptions, create_app
from support.reference.loading import LoadError, ModelOptions, load


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals keep their default: like the binary, the server dies by SIGTERM or SIGINT at once."""
        yield


def serve(model: ModelOptions, host: str, port: int, options: ServerOptions) -> None:
    """Run the server. Raises `LoadError` when the model cannot be loaded or the port cannot be had."""
    engine = load_engine(model)
    with _listen(host, port) as listener:
        # `port` 0 shows the port that was given, so that it can be used.
        logs.log(logs.SERVE, f"Server listening on http://{host}:{listener.getsockname()[1]}")
        config = uvicorn.Config(
            create_app(engine, options),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
        )
        _Server(config).run(sockets=[listener])


def load_engine(model: ModelOptions) -> WheelEngine:
    """The engine with the model loaded, said in the log. Raises what `load` raises."""
    engine = WheelEngine(load(model), lambda: load(model, raw_prompts=True), model.max_seqs)
    logs.log(logs.SERVER, "Model loaded.")
    return engine


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family, backlog=1024)
    except socket.gaierror as error:
        raise LoadError(f"failed to lookup address information: {error.strerror}") from error
    except OSError as error:
        number = error.errno or 0
        raise LoadError(f"{os.strerror(number)} (os error {number})") from error
