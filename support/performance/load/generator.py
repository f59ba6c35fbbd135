"""Sends the load of a plan, in a closed or an open loop, and keeps what arrives for later."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter_ns, process_time_ns
from urllib.parse import urlsplit

from support.performance.load.analysis import IssuedRequest, answer_text, has_token
from support.performance.load.arrivals import Phases, due_times
from support.performance.load.clock import Timer, switch_stamps_on
from support.performance.load.connection import Connection, Exchange, handshake_times, resolve
from support.performance.load.coordination import Alone
from support.performance.load.plan import LoadPlan
from support.performance.load.prompts import Conversation, Request, RequestMaker
from support.performance.load.record import Phase
from support.performance.load.tls import TlsConnection, trusted_certificates
from support.performance.machine_state import MachineState, MachineUse

# Before the next request of a user whose last one got no byte: a server that is gone needs no busy loop.
PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Moment:
    """Nanoseconds: of the clock, and of CPU time of this process."""

    time_ns: int
    cpu_ns: int

    @staticmethod
    def now() -> Moment:
        return Moment(perf_counter_ns(), process_time_ns())


@dataclass(frozen=True)
class MeasuredPart:
    """From the first measured request to the end of the last one, in nanoseconds, and the machine meanwhile.

    `handshakes_ns`: what connecting to a remote target took, before the load; none for a local one.
    """

    window_ns: int
    cpu_ns: int
    machine: MachineUse
    handshakes_ns: Sequence[int]


class Generator:
    """One load. `keep` is called with each request that has ended."""

    def __init__(
        self, plan: LoadPlan, keep: Callable[[IssuedRequest], None], others: Alone | None = None
    ) -> None:
        """`others`: those that send loads at the same time; None for a load that is alone."""
        self._plan, self._keep, self._others = plan, keep, others or Alone()
        self._maker = RequestMaker(plan)
        # Reads that have a token: there a client leaves that cancels its request.
        self._leave = partial(has_token, api=plan.api)
        self._numbers = itertools.count(1)
        self._idle: list[Connection] = []
        # When the first measured request was issued, and when the last one ended.
        self._began: Moment | None = None
        self._ended = Moment(0, 0)
        self._machine = MachineUse()

    async def run(self) -> MeasuredPart:
        """Send the whole load."""
        parts = urlsplit(self._plan.url)
        with switch_stamps_on():
            host, is_https = parts.hostname or "", parts.scheme == "https"
            self._tls = (trusted_certificates(self._plan.ca_file), host) if is_https else None
            self._address, self._family = await resolve(host, parts.port or (443 if is_https else 80))
            handshakes = await handshake_times(self._address, self._family)
            await self._others.begin()
            start = perf_counter_ns()
            self._others.started(start)
            self._phases = Phases(self._plan, start, self._others)
            try:
                await (self._closed_loop() if self._plan.users else self._open_loop(start))
            finally:
                for connection in self._idle:
                    connection.close()
        began, ended = self._began or self._ended, self._ended
        return MeasuredPart(
            ended.time_ns - began.time_ns, ended.cpu_ns - began.cpu_ns, self._machine, handshakes
        )

    async def _closed_loop(self) -> None:
        async with asyncio.TaskGroup() as users:
            for user in range(self._plan.users):
                users.create_task(self._user(user))

    async def _user(self, user: int) -> None:
        await asyncio.sleep(self._plan.spread_seconds * user / self._plan.users)
        due, conversation = perf_counter_ns(), Conversation(self._maker)
        while (phase := self._phases.next(due)) is not None:
            exchange = await self._send(conversation.next_request(), phase, due, user)
            if conversation.goes_on:
                conversation.add_answer(answer_text(exchange, self._plan.api))
            if exchange.error and not exchange.reads:
                await asyncio.sleep(PAUSE_SECONDS)
                due = perf_counter_ns()
            else:
                due = exchange.ended

    async def _open_loop(self, start: int) -> None:
        timer, requests = Timer(asyncio.get_running_loop()), self._maker.requests()
        try:
            async with asyncio.TaskGroup() as tasks:
                for offset, request in zip(due_times(self._plan), requests, strict=False):
                    due = start + offset
                    await timer.wait_until(due)
                    if (phase := self._phases.next(due)) is None:
                        return
                    tasks.create_task(self._send(request, phase, due, user=0))
        finally:
            timer.close()

    async def _send(self, request: Request, phase: Phase, due: int, user: int) -> Exchange:
        if phase is Phase.MEASURED and self._began is None:
            self._began, self._before = Moment.now(), MachineState.now()
        number = next(self._numbers)
        # The one that was used last: its buffers are warm, and the fewest stay open.
        connection = self._idle.pop() if self._idle else self._new_connection()
        leave = self._leave if self._is_cancelled(number) else None
        exchange = await connection.exchange(request.data, due, leave)
        self._idle.append(connection)
        self._phases.end(phase, user)
        if phase is Phase.MEASURED:
            self._ended = Moment.now()
            if self._phases.all_measured_ended:
                self._machine = MachineUse.between(self._before, MachineState.now())
        self._keep(IssuedRequest(number, user, phase, exchange, request.output_tokens, request.turn))
        return exchange

    def _is_cancelled(self, number: int) -> bool:
        """As many as the plan has, evenly spread: of 10 %, each tenth."""
        share = self._plan.cancelled_share
        return int(number * share) > int((number - 1) * share)

    def _new_connection(self) -> Connection:
        if self._tls:
            return TlsConnection(self._address, self._family, self._plan.timeout, self._tls)
        return Connection(self._address, self._family, self._plan.timeout)
