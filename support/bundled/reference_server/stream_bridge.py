"""From the engine's blocking streams to the event loop: one thread for each slot of the engine."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Any

from support.bundled.reference_server.engine import Call, Chunk, Engine, EngineError
from support.bundled.reference_server.metrics import Metrics

Deliver = Callable[[Chunk], None]


class Streams:
    """Starts answers, at most `engine.max_seqs` at once; the others wait in order of arrival."""

    def __init__(self, engine: Engine, metrics: Metrics) -> None:
        self._engine = engine
        self._metrics = self.metrics = metrics
        self._slots = asyncio.Semaphore(engine.max_seqs)

    async def chunks(self, call: Call) -> AsyncGenerator[Chunk]:
        """The answer's chunks. Closing or cancelling the iterator stops the generation at its next token.

        Raises what `Engine.stream` raises.
        """
        with self._metrics.waiting.track_inprogress():
            await self._slots.acquire()
        self._metrics.running.inc()
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Chunk | EngineError | None] = asyncio.Queue()
        disconnected = threading.Event()

        def post(action: Callable[[Any], None], item: object) -> None:
            # The loop is closed when the server is shutting down.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(action, item)

        def finish(failure: EngineError | None) -> None:
            self._metrics.running.dec()
            self._slots.release()
            queue.put_nowait(failure)

        def read() -> None:
            reason, failure = "error", None
            try:
                reason = self._read(call, lambda chunk: post(queue.put_nowait, chunk), disconnected)
            except EngineError as error:
                failure = error
            except BaseException as error:
                failure = EngineError(f"{type(error).__name__}: {error}")
                raise
            finally:
                # Counted before the answer ends: a client that has it finds it in the metrics.
                self._metrics.completed.labels(reason).inc()
                post(finish, failure)

        # A daemon: a signal ends the server at once, during a generation too.
        threading.Thread(target=read, name="answer", daemon=True).start()
        try:
            while (item := await queue.get()) is not None:
                if isinstance(item, EngineError):
                    raise item
                yield item
        finally:
            disconnected.set()

    def _read(self, call: Call, deliver: Deliver, disconnected: threading.Event) -> str:
        """Read one stream to its end, or until the client has disconnected; returns the finish reason."""
        seen, reason, tokens = 0, "stop", self._metrics.tokens
        with contextlib.closing(self._engine.stream(call)) as chunks:
            for chunk in chunks:
                seen += 1
                if disconnected.is_set():
                    tokens.inc(seen)
                    return "canceled"
                reason = next((p.finish_reason for p in chunk.deltas if p.finish_reason), reason)
                if chunk.usage:
                    tokens.inc(chunk.usage["total_tokens"])
                deliver(chunk)
        return reason
