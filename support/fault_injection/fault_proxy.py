"""A reverse proxy in front of a server that applies faults to the exchanges that they are for.

Everything else is passed on as it comes, so that a server behind it passes the suite as it does alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from support.fault_injection.event_changes import EventStream
from support.fault_injection.fault_notes import APPLIED
from support.fault_injection.http_fault import JITTER_SEED, HttpFault, delay_seconds

# RFC 9110, 7.6.1; the length is set anew.
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length"}
)
_STREAMS = ("text/event-stream", "application/x-ndjson")
# A request that takes longer is passed on as it comes, and no fault that reads it is for it.
WHOLE_BODY_SECONDS = 1.0
_NO_DEFAULTS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class FaultProxy:
    """Passes on to `upstream`; `killed` ends its process.

    `note` gets "applied" for each exchange that is changed, and a line for each error of the proxy itself,
    which a client may take for one of the server.
    """

    def __init__(
        self,
        upstream: str,
        faults: Sequence[HttpFault],
        killed: Callable[[], None],
        note: Callable[[str], None],
    ) -> None:
        self._upstream = upstream
        self._faults = faults
        self._killed = killed
        self._note = note
        self._kept: list[bytes] = []
        self._detached: set[asyncio.Task[None]] = set()
        self._previous: dict[str, bytes] = {}
        self._random = random.Random(JITTER_SEED)

    @contextlib.asynccontextmanager
    async def listening(self, listener: socket.socket) -> AsyncIterator[None]:
        """Serve on a bound socket until the block is left."""
        # No limits of time or connections: those of the server are what is tested.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=None)
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False
        ) as session:

            async def handle(request: web.BaseRequest) -> web.StreamResponse:
                try:
                    return await self._handle(session, request)
                except ConnectionError:
                    # The client has left.
                    raise
                except Exception as error:
                    self._note(f"error: {error!r} at {request.method} {request.path}")
                    raise

            server = web.Server(handle, access_log=None, handler_cancellation=True)
            runner = web.ServerRunner(server, shutdown_timeout=0.1)
            await runner.setup()
            await web.SockSite(runner, listener, backlog=1024).start()
            try:
                yield
            finally:
                await runner.cleanup()

    async def _handle(self, session: aiohttp.ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.raw_path_qs
        headers = {name: text for name, text in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        faults = [f for f in self._faults if f.matches_head(request.method, path, request.headers)]
        body, passed = b"", None
        if request.can_read_body:
            reads = any(fault.reads_request for fault in faults)
            body, is_whole = await _body(request.content) if reads else (b"", False)
            if not is_whole:
                faults = [fault for fault in faults if not fault.reads_request]
                passed = _followed(body, request.content)
                headers |= {n: t for n, t in request.headers.items() if n.lower() == "content-length"}
        pending = []
        for fault in faults:
            if not fault.matches_body(body):
                continue
            if not fault.changes_request:
                pending.append(fault)
                # A changed body is one that is not compressed.
                headers = {name: text for name, text in headers.items() if name.lower() != "accept-encoding"}
            elif fault.applies():
                changed = fault.changed_request(body)
                if changed != body:
                    self._note(APPLIED)
                body = changed
        url = URL(self._upstream + path, encoded=True)
        answer = _Answer()
        sent = body if passed is None else passed
        task = asyncio.create_task(answer.read(session, request.method, url, sent, headers))
        self._detached.add(task)
        task.add_done_callback(self._detached.discard)
        try:
            if not await asyncio.shield(answer.head):
                _abort(request)
                return web.Response(status=502)
            applied = [fault for fault in pending if fault.matches_status(answer.status) and fault.applies()]
            return await self._respond(request, answer, applied)
        finally:
            if not any("goes_on" in fault.does for fault in pending):
                task.cancel()

    async def _respond(
        self, request: web.BaseRequest, answer: _Answer, faults: Sequence[HttpFault]
    ) -> web.StreamResponse:
        does: dict[str, Any] = {}
        for fault in faults:
            # Whether a change of the body changes anything is seen with the body.
            if fault.does.keys() != {"change"}:
                self._note(fault.does.get("notes", APPLIED))
            does |= fault.does
        if "memory" in does:
            self._kept.append(b"x" * does["memory"])
        if does.get("kills"):
            self._killed()
            _abort(request)
            return web.Response(status=502)
        await asyncio.sleep(delay_seconds(does, "delay", self._random))
        headers = dict(answer.headers)
        for name, text in does.get("headers", {}).items():
            headers = {key: value for key, value in headers.items() if key.lower() != name.lower()}
            headers |= {name: text} if text else {}
        parts = self._parts(request, answer, faults, does)
        if does.get("gzip") and "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            parts = _one(gzip.compress(b"".join([part async for part in parts])))
        response = _Response(status=does.get("status", answer.status), headers=headers)
        if does.get("closes"):
            response.force_close()
        if does.get("how") == "down":
            _abort(request)
            return response
        await response.prepare(request)
        if not await _write(request, response, parts, does):
            return response
        await asyncio.sleep(does.get("stays_open", 0))
        await response.write_eof()
        return response

    async def _parts(
        self,
        request: web.BaseRequest,
        answer: _Answer,
        faults: Sequence[HttpFault],
        does: Mapping[str, Any],
    ) -> AsyncIterator[bytes]:
        kind = answer.headers.get("content-type", "")
        if "body" in does:
            yield does["body"].encode()
        elif does.get("frozen"):
            yield self._previous.setdefault(request.path, await answer.whole())
        elif does.get("previous"):
            body = await answer.whole()
            key = f"{kind} {request.path}"
            yield self._previous.get(key, body)
            self._previous[key] = body
        elif kind.startswith(_STREAMS) and any("change" in fault.does for fault in faults):
            stream = EventStream(
                [change for fault in faults for change in fault.does.get("change", ())], kind
            )
            async for event in self._events(answer, stream):
                yield event
                await asyncio.sleep(delay_seconds(does, "event_delay", self._random))
        elif any("change" in fault.does for fault in faults):
            body = await answer.whole()
            for fault in faults:
                changed = fault.changed_body(body)
                if changed != body:
                    self._note(APPLIED)
                body = changed
            yield body
        else:
            async for part in answer.parts():
                yield part
                await asyncio.sleep(delay_seconds(does, "event_delay", self._random))

    async def _events(self, answer: _Answer, stream: EventStream) -> AsyncIterator[bytes]:
        """The changed ones as they come, and what is left at the end."""
        async for part in answer.parts():
            was_changed = stream.is_changed
            events = stream.feed(part)
            if stream.is_changed and not was_changed:
                self._note(APPLIED)
            for event in events:
                yield event
        for event in stream.finish():
            yield event


class _Response(web.StreamResponse):
    """With the headers of the server only: aiohttp adds its name, the date and a content type."""

    async def _prepare_headers(self) -> None:
        own = {name.lower() for name in self.headers}
        await super()._prepare_headers()
        for name in {"content-type", "date", "server"} - own:
            self.headers.popall(name, None)


class _Answer:
    """The response of the server, read in a task of its own."""

    def __init__(self) -> None:
        # Whether there is a response.
        self.head: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._broken = False
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def read(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: URL,
        body: bytes | AsyncIterator[bytes],
        headers: Mapping[str, str],
    ) -> None:
        try:
            async with session.request(
                method,
                url,
                data=body or None,
                headers=headers,
                skip_auto_headers=_NO_DEFAULTS,
                allow_redirects=False,
            ) as response:
                self.status = response.status
                self.headers = {
                    name.lower(): text
                    for name, text in response.headers.items()
                    if name.lower() not in _HOP_BY_HOP
                }
                self.head.set_result(True)
                async for part in response.content.iter_any():
                    self._queue.put_nowait(part)
        except (aiohttp.ClientError, ConnectionError):
            self._broken = True
        finally:
            if not self.head.done():
                self.head.set_result(False)
            self._queue.put_nowait(None)

    async def parts(self) -> AsyncIterator[bytes]:
        """As they come; raises ConnectionResetError when the server breaks off."""
        while (part := await self._queue.get()) is not None:
            yield part
        if self._broken:
            raise ConnectionResetError

    async def whole(self) -> bytes:
        """To its end."""
        return b"".join([part async for part in self.parts()])


async def _body(content: aiohttp.StreamReader) -> tuple[bytes, bool]:
    """What of a request has come in time, and whether that is all."""
    parts: list[bytes] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WHOLE_BODY_SECONDS):
            async for part in content.iter_any():
                parts.append(part)
            return b"".join(parts), True
    return b"".join(parts), False


async def _followed(part: bytes, content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The part, and the rest as it comes: its end may never come."""
    if part:
        yield part
    async for following in content.iter_any():
        yield following


async def _one(part: bytes) -> AsyncIterator[bytes]:
    yield part


async def _write(
    request: web.BaseRequest,
    response: web.StreamResponse,
    parts: AsyncIterator[bytes],
    does: Mapping[str, Any],
) -> bool:
    """Whether the body was written to its end."""
    left: int | None = does.get("ends_after")
    held = b""
    try:
        async for part in parts:
            if does.get("as_one"):
                held += part
                continue
            for piece in _pieces(part, does.get("pieces", 0)):
                cut = piece if left is None else piece[:left]
                left = None if left is None else left - len(cut)
                if cut:
                    await response.write(cut)
                await asyncio.sleep(len(cut) / does["bytes_per_second"] if "bytes_per_second" in does else 0)
                if left == 0:
                    return await _broken_off(request, response, does.get("how", "abort"))
        if held:
            await response.write(held)
    except ConnectionResetError:
        _abort(request)
        return False
    return True


def _pieces(part: bytes, size: int) -> list[bytes]:
    return [part[at : at + size] for at in range(0, len(part), size)] if size else [part]


async def _broken_off(request: web.BaseRequest, response: web.StreamResponse, how: str) -> bool:
    if how == "end":
        await response.write_eof()
        return False
    if how == "stall":
        # Until the client leaves: the handler is cancelled then.
        await asyncio.Event().wait()
    if how == "reset" and request.transport is not None:
        connection: socket.socket = request.transport.get_extra_info("socket")
        # RST instead of FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    _abort(request)
    return False


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()
