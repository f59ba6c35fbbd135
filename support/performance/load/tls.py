"""A connection behind TLS: its times are those of the reads, without stamps of the kernel.

A stamp of the kernel would be that of a packet, and only TLS knows which bytes of the answer it had.
"""

from __future__ import annotations

import asyncio
import socket
import ssl

from support.performance.load.connection import Connection


def trusted_certificates(ca_file: str) -> ssl.SSLContext:
    """Those of the system or of SSL_CERT_FILE and SSL_CERT_DIR, and of this file where one is given."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return context


class TlsConnection(Connection, asyncio.Protocol):
    """Closed and opened as the plain one is."""

    def __init__(
        self, address: tuple[str, int], family: int, timeout: float, tls: tuple[ssl.SSLContext, str]
    ) -> None:
        """`tls`: what is trusted, and whose certificate it is. `timeout` of an exchange, in seconds."""
        super().__init__(address, family, timeout)
        self._trusted, self._host = tls
        self._transport: asyncio.Transport | None = None

    def close(self) -> None:
        """May be called twice."""
        if self._transport is not None:
            # Not `close`: it would send what is left, and wait for the other side.
            self._transport.abort()
            self._transport = None

    @property
    def _is_open(self) -> bool:
        return self._transport is not None

    def _is_stale(self) -> bool:
        return self._transport is not None and self._transport.is_closing()

    async def _connect(self) -> None:
        self._peer_closed = False
        plain = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            plain.setblocking(False)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.sock_connect(plain, self._address)
            self._transport, _ = await self._loop.create_connection(
                lambda: self, sock=plain, ssl=self._trusted, server_hostname=self._host
            )
        except BaseException:
            plain.close()
            raise

    async def _send(self, request: bytes, deadline: float) -> None:  # noqa: ARG002  # the timer ends it
        assert self._transport is not None
        self._transport.write(request)

    # -- asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        self._keep(data, ())

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of the stream: also that of an answer without a stated length."""
        if exc is None:
            self._keep(b"", ())
        else:
            self._break()
