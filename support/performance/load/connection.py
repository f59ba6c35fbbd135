"""One connection of the load: sends a request, and keeps what arrives with its stamps.

While bytes arrive, one callback for each read does the least that there is to do: it keeps the bytes, the
stamp and the time, and looks for the end of the response.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from time import perf_counter_ns

from support.performance.load.clock import (
    ANCILLARY_BYTES,
    KERNEL_STAMPS,
    Ancillary,
    request_stamps,
    wall_clock_offset,
)
from support.performance.load.record import Failure
from support.performance.load.response import ResponseEnd
from support.performance.load.tcp import received_segments

READ_BYTES = 1 << 16
HANDSHAKE_SECONDS = 5.0


@dataclass(slots=True)
class Exchange:
    """A request and what arrived for it. Times in nanoseconds of the monotonic clock.

    `reads`: the time of each read, its ancillary data with the stamp, and its bytes. `offsets`: wall clock
    minus monotonic clock, before and after. `segments`: of TCP, with data. `error`: CONNECT, CLOSED, TIMEOUT
    or CANCELLED when it did not end.
    """

    scheduled: int
    sent: int = 0
    ended: int = 0
    reads: list[tuple[int, Ancillary, bytes]] = field(default_factory=list)
    offsets: tuple[int, int] = (0, 0)
    segments: int = 0
    error: Failure = Failure.NONE
    # Of the system, for a connection that was not there.
    detail: str = ""


# For the bytes of all reads so far.
LeaveTest = Callable[[Sequence[bytes]], bool]


class Connection:
    """Opened with the first exchange, and kept for the next one; opened again when it was closed."""

    def __init__(self, address: tuple[str, int], family: int, timeout: float) -> None:
        """`timeout` of an exchange, in seconds."""
        self._loop = asyncio.get_running_loop()
        self._address, self._family, self._timeout = address, family, timeout
        self._socket: socket.socket | None = None
        self._exchange: Exchange | None = None
        self._ended: asyncio.Future[Failure] | None = None
        self._response_end = ResponseEnd()
        self._peer_closed = False
        self._leave: LeaveTest | None = None

    async def exchange(self, request: bytes, scheduled: int, leave: LeaveTest | None = None) -> Exchange:
        """Send a request and wait for the end of its response; it never raises for what the server does.

        `leave`: whether to close the connection, for the reads that have come so far.
        """
        exchange = Exchange(scheduled)
        deadline = self._loop.time() + self._timeout
        if self._is_stale():
            self.close()
        try:
            async with asyncio.timeout_at(deadline):
                if not self._is_open:
                    await self._connect()
        except OSError as error:
            # A TimeoutError is one.
            exchange.detail = str(error)
            self.close()
            exchange.sent = exchange.ended = perf_counter_ns()
            exchange.error = Failure.CONNECT
            return exchange
        self._exchange, self._ended, self._leave = exchange, self._loop.create_future(), leave
        self._response_end = ResponseEnd()
        timer = self._loop.call_at(deadline, self._end, Failure.TIMEOUT)
        before, received = wall_clock_offset(), self._segments
        exchange.sent = perf_counter_ns()
        await self._send(request, deadline)
        exchange.error = await self._ended
        exchange.ended = perf_counter_ns()
        exchange.offsets = before, wall_clock_offset()
        exchange.segments = self._segments - received
        timer.cancel()
        self._exchange = self._ended = None
        if exchange.error or self._peer_closed or not self._response_end.keeps_connection:
            self.close()
        return exchange

    def close(self) -> None:
        """May be called twice."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    @property
    def _is_open(self) -> bool:
        return self._socket is not None

    def _is_stale(self) -> bool:
        """Whether the server has closed it meanwhile; the event loop may not have noticed that yet."""
        try:
            return self._socket is not None and self._socket.recv(1, socket.MSG_PEEK) is not None
        except BlockingIOError:
            return False
        except OSError:
            return True

    async def _connect(self) -> None:
        self._peer_closed = False
        self._socket = socket.socket(self._family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request_stamps(self._socket)
        await self._loop.sock_connect(self._socket, self._address)
        self._loop.add_reader(self._socket, self._read_stamped if KERNEL_STAMPS else self._read_plain)

    async def _send(self, request: bytes, deadline: float) -> None:
        """In one system call, but for a prompt that is larger than the socket's buffer."""
        assert self._socket is not None
        try:
            sent = self._socket.send(request)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._end(Failure.CLOSED)
            return
        if sent == len(request):
            return
        try:
            async with asyncio.timeout_at(deadline):
                await self._loop.sock_sendall(self._socket, request[sent:])
        except TimeoutError:
            self._end(Failure.TIMEOUT)
        except OSError:
            # A server that rejects a request may close the connection before it has read all of it.
            self._end(Failure.CLOSED)

    def _read_stamped(self) -> None:
        assert self._socket is not None
        try:
            data, ancillary, _, _ = self._socket.recvmsg(READ_BYTES, ANCILLARY_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._break()
            return
        self._keep(data, ancillary)

    def _read_plain(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._break()
            return
        self._keep(data, ())

    @property
    def _segments(self) -> int:
        """With data, that have arrived on this connection; 0 where the system does not count them."""
        return received_segments(self._socket) if self._socket is not None else 0

    def _keep(self, data: bytes, ancillary: Ancillary) -> None:
        if not data and self._response_end.is_end_of_connection and self._exchange is not None:
            self._peer_closed = True
            self._end(Failure.NONE)
        elif not data or self._exchange is None:
            self._break()
        else:
            self._exchange.reads.append((perf_counter_ns(), ancillary, data))
            if self._response_end.is_in(data):
                self._end(Failure.NONE)
            elif self._leave is not None and self._leave([read for _, _, read in self._exchange.reads]):
                self._end(Failure.CANCELLED)

    def _break(self) -> None:
        """The server has closed the connection, or sends something that nobody has requested."""
        if self._exchange is None:
            self.close()
        else:
            self._peer_closed = True
            self._end(Failure.CLOSED)

    def _end(self, error: Failure) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(error)


# Enough for a 95th percentile that is no maximum.
HANDSHAKES = 21


async def handshake_times(address: tuple[str, int], family: int) -> list[int]:
    """Nanoseconds of opening a TCP connection, a round trip each; none for loopback or without an answer."""
    try:
        if ip_address(address[0].partition("%")[0]).is_loopback:
            return []
    except ValueError:
        # A name that was not found.
        return []
    loop, found = asyncio.get_running_loop(), []
    for _ in range(HANDSHAKES):
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.setblocking(False)
            before = perf_counter_ns()
            try:
                async with asyncio.timeout(HANDSHAKE_SECONDS):
                    await loop.sock_connect(connection, address)
            except OSError:
                return []
            found.append(perf_counter_ns() - before)
    return found


async def resolve(host: str, port: int) -> tuple[tuple[str, int], int]:
    """The address and family of a host, looked up once: a name server is no part of a latency."""
    with contextlib.suppress(OSError):
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        # IPv4 first: servers that listen on one of them mostly listen there.
        family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        return (str(address[0]), int(address[1])), family
    return (host, port), socket.AF_INET
