"""Sends the load of a plan, in a closed or an open loop, and keeps what arrives for later."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from time import perf_counter_ns, process_time_ns
from urllib.parse import urlsplit

from support.performance.load.analysis import IssuedRequest
from support.performance.load.arrivals import Phases, due_times
from support.performance.load.clock import Timer, switch_stamps_on
from support.performance.load.connection import Connection, Exchange, resolve
from support.performance.load.plan import LoadPlan
from support.performance.load.prompts import request_bytes
from support.performance.load.record import Phase

# Before the next request of a user whose last one got no byte: a server that is gone needs no busy loop.
PAUSE_SECONDS = 0.1


class Generator:
    """One load. `keep` is called with each request that has ended."""

    def __init__(self, plan: LoadPlan, keep: Callable[[IssuedRequest], None]) -> None:
        self._plan, self._keep = plan, keep
        self._requests = request_bytes(plan)
        self._numbers = itertools.count(1)
        self._idle: list[Connection] = []
        # The time and the CPU time when the first measured request was issued, and when the last one ended.
        self._began: tuple[int, int] | None = None
        self._ended = (0, 0)

    async def run(self) -> tuple[int, int]:
        """Send the whole load; the time and the CPU time of its measured part, in nanoseconds."""
        parts = urlsplit(self._plan.url)
        with switch_stamps_on():
            self._address, self._family = await resolve(parts.hostname or "", parts.port or 80)
            start = perf_counter_ns()
            self._phases = Phases(self._plan, start)
            try:
                await (self._closed_loop() if self._plan.users else self._open_loop(start))
            finally:
                for connection in self._idle:
                    connection.close()
        began, ended = self._began or self._ended, self._ended
        return ended[0] - began[0], ended[1] - began[1]

    async def _closed_loop(self) -> None:
        async with asyncio.TaskGroup() as users:
            for user in range(self._plan.users):
                users.create_task(self._user(user))

    async def _user(self, user: int) -> None:
        await asyncio.sleep(self._plan.spread_seconds * user / self._plan.users)
        due = perf_counter_ns()
        while (phase := self._phases.next(due)) is not None:
            exchange = await self._send(next(self._requests), phase, due, user)
            if exchange.error and not exchange.reads:
                await asyncio.sleep(PAUSE_SECONDS)
                due = perf_counter_ns()
            else:
                due = exchange.ended

    async def _open_loop(self, start: int) -> None:
        timer = Timer(asyncio.get_running_loop())
        try:
            async with asyncio.TaskGroup() as requests:
                for offset in due_times(self._plan):
                    due, request = start + offset, next(self._requests)
                    await timer.wait_until(due)
                    if (phase := self._phases.next(due)) is None:
                        return
                    requests.create_task(self._send(request, phase, due, user=0))
        finally:
            timer.close()

    async def _send(self, request: bytes, phase: Phase, due: int, user: int) -> Exchange:
        if phase is Phase.MEASURED and self._began is None:
            self._began = perf_counter_ns(), process_time_ns()
        number = next(self._numbers)
        # The one that was used last: its buffers are warm, and the fewest stay open.
        connection = self._idle.pop() if self._idle else self._new_connection()
        exchange = await connection.exchange(request, due)
        self._idle.append(connection)
        self._phases.end(phase, user)
        if phase is Phase.MEASURED:
            self._ended = perf_counter_ns(), process_time_ns()
        self._keep(IssuedRequest(number, user, phase, exchange))
        return exchange

    def _new_connection(self) -> Connection:
        return Connection(self._address, self._family, self._plan.timeout)
