"""The command line `mistralrs-gateway`."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import click

READY = "Gateway listening on"
"""What the line begins with that names its address."""


class _OneLineErrorCommand(click.Command):
    """A command whose errors are one line and exit code 2."""

    def main(self, args: Sequence[str] | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        try:
            code = super().main(args, self.name, standalone_mode=False, **extra)
        except click.ClickException as error:
            click.echo(f"{self.name}: {error.format_message()}", err=True)
            raise SystemExit(2) from None
        except click.Abort:
            raise SystemExit(130) from None
        raise SystemExit(code if isinstance(code, int) else 0)


def _target(_: click.Context, __: click.Parameter, value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise click.BadParameter("give the target's base address, for instance http://localhost:PORT")
    return value.rstrip("/").removesuffix("/v1")


def _files(_: click.Context, __: click.Parameter, values: Sequence[str]) -> dict[str, Path]:
    files = {}
    for value in values:
        name, equals, path = value.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{value!r}: write NAME=PATH")
        if not Path(path).is_file():
            raise click.BadParameter(f"{path}: there is no such file")
        files[name] = Path(path)
    return files


def _key(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    if name is not None and not os.environ.get(name):
        raise click.BadParameter(f"the environment variable {name} is not set")
    return os.environ[name] if name is not None else None


@click.command(cls=_OneLineErrorCommand, name="mistralrs-gateway")
@click.option("--target", required=True, callback=_target, help="Address of an OpenAI-compatible server.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port; 0: a free one, printed.")
@click.option(
    "--gguf", "files", multiple=True, callback=_files, help="NAME=PATH: a model's name and its file."
)
@click.option(
    "--api-key-env", "api_key", callback=_key, help="Name of the variable that holds the target's key."
)
def main(target: str, host: str, port: int, files: dict[str, Path], api_key: str | None) -> None:
    """Serve the Ollama API in front of an OpenAI-compatible server."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    # Both end it at once, as they end the server behind it; open connections go with it.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _run(_serve(target, host, port, files, api_key))


def _run(serving: Coroutine[Any, Any, None]) -> None:
    if sys.platform == "win32":
        asyncio.run(serving)
    else:
        import uvloop

        uvloop.run(serving)


async def _serve(target: str, host: str, port: int, files: dict[str, Path], api_key: str | None) -> None:
    # aiohttp takes a quarter of a second: a refused command line does not wait for it.
    from support.bundled.ollama_gateway.routes import create_app, listen

    app = create_app(target, files, api_key, loopback=_is_loopback(host))
    try:
        runner = await listen(app, host, port)
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {host}, port {port}: {os.strerror(error.errno or 0)}"
        ) from None
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"{READY} http://{shown}:{runner.addresses[0][1]}")
    await asyncio.Event().wait()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    main()
