"""TLS in front of a plain server on loopback: what it decrypts, it passes on."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.timeouts import PATIENCE


@contextmanager
def tls_tunnel(url: str, context: ssl.SSLContext) -> Iterator[str]:
    """The https URL of it."""
    with _tunnel(url, context, "127.0.0.1") as port:
        yield f"https://127.0.0.1:{port}"


@contextmanager
def plain_tunnel(url: str, address: str) -> Iterator[str]:
    """The same without TLS, at another address of this machine."""
    with _tunnel(url, None, address) as port:
        yield f"http://{address}:{port}"


@contextmanager
def _tunnel(url: str, context: ssl.SSLContext | None, address: str) -> Iterator[int]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(_serve(url, context, address), loop).result(PATIENCE)
        yield server.sockets[0].getsockname()[1]
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


async def _serve(url: str, context: ssl.SSLContext | None, address: str) -> asyncio.Server:
    host, _, port = urlsplit(url).netloc.partition(":")

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_copy(reader, upstream_writer), _copy(upstream_reader, writer))

    return await asyncio.start_server(tunnel, address, 0, ssl=context)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
