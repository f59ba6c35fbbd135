"""The command line `mistralrs-gateway`. The server is imported only after the arguments are checked."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from support.bundled.ollama_gateway.errors import API_LEVEL

PROGRAM = "mistralrs-gateway"
EXIT_USAGE = 2
READY = "Gateway listening on"
"""Start of the line that contains the address."""


class _OneLineErrorParser(argparse.ArgumentParser):
    """A parser whose errors are one line on standard error and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{PROGRAM}: {message}\n")


def _target(value: str) -> str:
    """The base address, without `/v1`."""
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise argparse.ArgumentTypeError("give the target's base address, for instance http://localhost:PORT")
    return value.rstrip("/").removesuffix("/v1")


def _port(value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) > 65535:
        raise argparse.ArgumentTypeError(f"{value!r} is not a port (0 to 65535)")
    return int(value)


def _file(value: str) -> tuple[str, Path]:
    """NAME=PATH"""
    name, equals, path = value.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{value!r}: write NAME=PATH")
    if not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"{path}: there is no such file")
    return name, Path(path)


def _key(name: str) -> str:
    """The value of the environment variable NAME."""
    if not os.environ.get(name):
        raise argparse.ArgumentTypeError(f"the environment variable {name} is not set")
    return os.environ[name]


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineErrorParser(
        prog=PROGRAM,
        description="Serve the Ollama API in front of an OpenAI-compatible server.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--target", required=True, type=_target, metavar="URL", help="address of an OpenAI-compatible server")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=_port, default=0, help="port (default: a free one, which is printed)")
    add(
        "--gguf",
        dest="files",
        action="append",
        default=[],
        type=_file,
        metavar="NAME=PATH",
        help="a model's name and its file; repeatable",
    )
    add(
        "--api-key-env",
        dest="api_key",
        type=_key,
        metavar="NAME",
        help="environment variable that contains the target's key",
    )
    add("--version", action="version", version=f"{PROGRAM} {API_LEVEL}", help="print the Ollama API level")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the gateway until a signal ends the process."""
    parser = _parser()
    given = parser.parse_args(arguments)
    # Both end it at once, as they end the server behind it; open connections go with it.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        _run(_serve(given.target, given.host, given.port, dict(given.files), given.api_key))
    except OSError as error:
        parser.error(f"cannot listen on {given.host}, port {given.port}: {os.strerror(error.errno or 0)}")


def _run(serving: Coroutine[Any, Any, None]) -> None:
    if sys.platform == "win32":
        import asyncio

        asyncio.run(serving)
    else:
        import uvloop

        uvloop.run(serving)


async def _serve(target: str, host: str, port: int, files: dict[str, Path], api_key: str | None) -> None:
    """Serve without an end. Raises OSError when the address cannot be bound."""
    import asyncio
    import logging

    from support.bundled.ollama_gateway.middleware import is_loopback
    from support.bundled.ollama_gateway.routes import create_app, listen

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    runner = await listen(create_app(target, files, api_key, loopback=is_loopback(host)), host, port)
    shown = f"[{host}]" if ":" in host else host
    print(f"{READY} http://{shown}:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
