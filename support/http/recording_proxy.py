"""A reverse proxy between a client program and a server: passes on, records, and injects faults on order.

Byte by byte and as it comes: the client sees what the server sends. A fault is for one request, in order.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from yarl import URL

from support.http.body_limit import ACCEPTED_ENCODINGS
from support.http.client import tls_context
from support.http.exchange import NO_STATUS, Exchange
from support.settings import redact_url

START_SECONDS = 10.0
# RFC 9110, 7.6.1; the length is set anew.
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length"}
)


@dataclass(frozen=True)
class Fault:
    """What happens to one request. Without a `status` it is passed on, and its response is changed.

    `rewrite`: the body of the response, read to its end, becomes this. `ends_after`: bytes of the body, then
    the connection breaks, or, with `stalls`, stays silent until the client leaves. `before`: what is sent
    before the body, each part after so many seconds.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    rewrite: Callable[[bytes], bytes] | None = None
    ends_after: int | None = None
    stalls: bool = False
    before: tuple[tuple[float, bytes], ...] = ()


class RecordingProxy:
    """Listens on loopback until it is closed."""

    def __init__(self, upstream: str, faulty_paths: Collection[str]) -> None:
        """`faulty_paths`: the ends of the paths that faults are for; other requests are passed on.

        Raises `SettingsError` as `tls_context` does.
        """
        self._records: list[_Record] = []
        self.faults: deque[Fault] = deque()
        self.open_requests = 0
        self._upstream = upstream
        # Of the server, not of the client program, which connects over loopback without TLS.
        self._tls = tls_context(upstream)
        self._faulty_paths = tuple(faulty_paths)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._started = threading.Event()
        self._port = 0
        self._thread = threading.Thread(target=self._run, name="recording-proxy", daemon=True)
        self._thread.start()
        self._started.wait(START_SECONDS)
        if not self._port:
            raise RuntimeError(f"the recording proxy does not listen after {START_SECONDS:g} s")

    @property
    def url(self) -> str:
        """Its address, in place of that of the server."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def count(self) -> int:
        """How many requests have come."""
        return len(self._records)

    @property
    def exchanges(self) -> list[Exchange]:
        """All requests so far in their order, with what the client has got of each response."""
        return self.exchanges_since(0)

    @property
    def ended_exchanges(self) -> list[Exchange]:
        """Those whose response is complete, or broken off."""
        return [record.exchange() for record in list(self._records) if record.has_ended]

    def exchanges_since(self, mark: int) -> list[Exchange]:
        """Those after the first `mark`, an earlier `count`."""
        return [record.exchange() for record in self._records[mark:]]

    def close(self) -> None:
        """End all connections; may be called twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        finally:
            self._started.set()

    async def _serve(self) -> None:
        # No time limits: how long a client waits for a server is what its tests are about.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=None)
        connector = aiohttp.TCPConnector(ssl=self._tls)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False
        ) as session:

            async def handle(request: web.BaseRequest) -> web.StreamResponse:
                self.open_requests += 1
                try:
                    return await self._handle(session, request)
                finally:
                    self.open_requests -= 1

            server = web.Server(handle, access_log=None, handler_cancellation=True)
            runner = web.ServerRunner(server, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            addresses: list[tuple[str, int]] = runner.addresses
            self._port = addresses[0][1]
            self._started.set()
            try:
                await self._stop.wait()
            finally:
                await runner.cleanup()

    async def _handle(self, session: aiohttp.ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        body = b"".join([part async for part in request.content.iter_any()])
        record = _Record(request, self._upstream, body)
        self._records.append(record)
        fault = Fault()
        if self.faults and request.path.endswith(self._faulty_paths):
            fault = self.faults.popleft()
        try:
            if fault.status is not None:
                return await _send(request, record, fault, fault.status, dict(fault.headers), None)
            headers = {
                name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP
            }
            headers |= ACCEPTED_ENCODINGS if "accept-encoding" in request.headers else {}
            async with session.request(
                request.method,
                URL(self._upstream + request.rel_url.raw_path_qs, encoded=True),
                data=body or None,
                headers=headers,
                allow_redirects=False,
            ) as response:
                passed = {
                    name: value for name, value in response.headers.items() if name.lower() not in HOP_BY_HOP
                }
                return await _send(request, record, fault, response.status, passed, response)
        except aiohttp.ClientError:
            _abort(request)
            return web.Response(status=502)
        finally:
            record.end()


async def _send(
    request: web.BaseRequest,
    record: _Record,
    fault: Fault,
    status: int,
    headers: dict[str, str],
    upstream: aiohttp.ClientResponse | None,
) -> web.StreamResponse:
    """The response of the server, or of the fault; what the client gets is recorded."""
    answer = web.StreamResponse(status=status, headers=headers)
    record.status, record.headers = status, headers
    await answer.prepare(request)
    left = fault.ends_after
    async for part in _parts(fault, upstream):
        left = await _write(answer, record, part, left)
        if left == 0:
            break
    if left == 0:
        if fault.stalls:
            # Until the client leaves: the handler is cancelled then, or at the end of the proxy.
            await asyncio.Event().wait()
        _abort(request)
        return answer
    await answer.write_eof()
    return answer


async def _parts(fault: Fault, upstream: aiohttp.ClientResponse | None) -> AsyncIterator[bytes]:
    for seconds, part in fault.before:
        await asyncio.sleep(seconds)
        yield part
    if upstream is None:
        yield fault.body
    elif fault.rewrite is not None:
        yield fault.rewrite(await upstream.read())
    else:
        async for part in upstream.content.iter_any():
            yield part


async def _write(answer: web.StreamResponse, record: _Record, part: bytes, left: int | None) -> int | None:
    """Write it, `left` bytes at most; how many are left."""
    part = part if left is None else part[:left]
    if part:
        record.add(part)
        await answer.write(part)
    return None if left is None else left - len(part)


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


class _Record:
    """What becomes an `Exchange`."""

    def __init__(self, request: web.BaseRequest, upstream: str, body: bytes) -> None:
        self.status = NO_STATUS
        self.headers: Mapping[str, str] = {}
        self._request = request
        self._url = redact_url(upstream + request.rel_url.raw_path_qs)
        self._body = body
        self._started = time.monotonic()
        self._chunks: list[tuple[float, bytes]] = []
        self._ended: float | None = None

    def end(self) -> None:
        """The response is complete, or broken off."""
        self._ended = time.monotonic()

    @property
    def has_ended(self) -> bool:
        return self._ended is not None

    def add(self, part: bytes) -> None:
        self._chunks.append((time.monotonic() - self._started, part))

    def exchange(self) -> Exchange:
        return Exchange(
            method=self._request.method,
            url=self._url,
            request_headers=dict(self._request.headers),
            request_body=self._body,
            status=self.status,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=b"".join(part for _, part in self._chunks),
            seconds=(self._ended or time.monotonic()) - self._started,
            chunks=tuple(self._chunks),
            sent_at=self._started,
        )
