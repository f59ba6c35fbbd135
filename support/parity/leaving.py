"""Users who leave half-way, who do not read on, who come to a full server."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections import deque
from typing import Protocol
from urllib.parse import urlsplit

from support.http.client import NoAnswer
from support.parity.crowd import at_once
from support.parity.routes import Route, Said, Talk
from support.waiting import wait_until

# A scripted answer that goes round for ever, and more tokens of it than a server makes in a minute.
ENDLESS = Talk(({"role": "user", "content": "Tell me about the forever"},), limit=30_000)
SHORT = Talk(({"role": "user", "content": "Say it briefly"},), limit=20)
BEGIN_SECONDS = 30.0
# Share of one core above which a server is at work, and the time over which it is looked at. At work it gets
# a whole one where nobody else wants it, and 0.15 was seen on a busy machine; at rest nothing.
AT_WORK, AT_REST = 0.08, 0.05
WINDOW_SECONDS = 0.4
# How much longer an answer may take beside a stream that nobody reads: it shares the server with it.
SLOWER = 20
# So little that the stream is held up after some hundred words.
SMALL_BUFFER = 4096
# Four who leave broke about every second answer of a server that has this defect.
LEAVERS, TRIES = 4, 10
# What a server at its limit may say instead of an answer: too many requests, or busy (RFC 6585, RFC 9110).
BUSY = (429, 503)


class CpuMeter(Protocol):
    """Something whose processes use CPU time."""

    def cpu_seconds(self) -> float:
        """What its processes have used so far."""


class Guest:
    """One user on a bare connection, who may leave without a word."""

    def __init__(self, route: Route, talk: Talk, *, stream: bool, small: bool = False) -> None:
        """Connects and asks; `small`: with little room for what comes."""
        place = urlsplit(route.url)
        self._socket = socket.socket()
        if small:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        self._socket.settimeout(BEGIN_SECONDS)
        self._socket.connect((place.hostname, place.port or 80))
        body = json.dumps(route.request(talk, stream)).encode()
        head = (
            f"POST {route.form.path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body)

    def read(self, least: int) -> bytes:
        """The first bytes of the answer; raises `NoAnswer` when so many do not come."""
        got = b""
        while len(got) < least:
            try:
                part = self._socket.recv(SMALL_BUFFER)
            except OSError as error:
                raise NoAnswer(f"{len(got)} bytes of a stream had come, then none: {error}") from None
            if not part:
                raise NoAnswer(f"the stream ended after {len(got)} bytes: {got[-200:]!r}")
            got += part
        return got

    def leave(self) -> None:
        """Close the connection at once."""
        self._socket.close()


class Load:
    """How busy the processes of a server are, looked at again and again."""

    def __init__(self, meter: CpuMeter) -> None:
        self._meter = meter
        self._seen: deque[tuple[float, float]] = deque()
        self.share: float | None = None

    def look(self) -> float | None:
        """Cores in use over the last moments; None before they have passed."""
        now = time.monotonic()
        self._seen.append((now, self._meter.cpu_seconds()))
        while len(self._seen) > 1 and now - self._seen[1][0] >= WINDOW_SECONDS:
            self._seen.popleft()
        (then, before), (_, used) = self._seen[0], self._seen[-1]
        if now - then >= WINDOW_SECONDS:
            self.share = (used - before) / (now - then)
        return self.share

    def at_rest(self) -> bool:
        share = self.look()
        return share is not None and share < AT_REST

    def at_work(self) -> bool:
        share = self.look()
        return share is not None and share > AT_WORK


def leave_half_way(route: Route, meter: CpuMeter, *, stream: bool, within: float) -> None:
    """Ask for an endless answer, leave when it is being made, and see the work end within so many seconds.

    Raises WaitTimeout, an AssertionError, when the server works on for nobody.
    """
    guest = Guest(route, ENDLESS, stream=stream)
    try:
        if stream:
            guest.read(2000)
        load = Load(meter)
        wait_until("the server at work", load.at_work, within=BEGIN_SECONDS, seen=lambda: _cores(load.share))
    finally:
        guest.leave()
    gone = Load(meter)
    wait_until(
        f"the server at rest after the client of {route.name} has left",
        gone.at_rest,
        within=within,
        seen=lambda: _cores(gone.share),
    )


def _cores(share: float | None) -> str:
    return "nothing yet" if share is None else f"{share:.2f} cores in use"


def ask_beside_a_slow_reader(route: Route, users: int, within: float) -> list[Said]:
    """While somebody has an endless stream and does not read it, so many users ask one after the other.

    Raises AssertionError when one of them gets no answer within so many seconds, nor within `SLOWER` times
    what it takes without the slow reader: a busy machine is no fault of the server.
    """
    began = time.monotonic()
    route.ask(SHORT, within=BEGIN_SECONDS)
    within = max(within, SLOWER * (time.monotonic() - began))
    guest = Guest(route, ENDLESS, stream=True, small=True)
    try:
        guest.read(500)
        return [route.ask(SHORT, within=within) for _ in range(users)]
    finally:
        guest.leave()


def leave_beside_a_neighbour(route: Route, neighbour: Talk, *, within: float) -> None:
    """Users leave before their short answers, not streamed, while another user's answer is being made.

    The answers end when nobody is there to take them. Raises AssertionError when the other user's stream does
    not come to its proper end in one of several tries: it takes two things to meet.
    """

    def leave() -> None:
        Guest(route, SHORT, stream=False).leave()

    def listen() -> None:
        said = route.ask(neighbour, stream=True, within=within)
        assert said.text and said.end in ("stop", "length"), (
            f"the neighbour of clients that left got {said.text!r}, which ended by {said.end!r}"
        )

    for _ in range(TRIES):
        at_once(lambda work: work(), [listen, *[leave] * LEAVERS])


def fill(route: Route, users: int, within: float) -> list[str]:
    """Let more users ask at once than the server takes; what became of each: `served`, `busy`, or words."""

    def ask(_: int) -> str:
        with contextlib.closing(route.client(within)) as client:
            try:
                exchange = client.post(route.form.path, route.request(SHORT))
                if exchange.status in BUSY:
                    return "busy"
                return "served" if route.said(exchange, False).text else "an empty answer"
            except AssertionError as error:
                return str(error)

    return at_once(ask, list(range(users)))


def require_served_or_busy(outcomes: list[str]) -> None:
    """At least one was served, the others too or told that the server is busy."""
    wrong = [words for words in outcomes if words not in ("served", "busy")]
    assert not wrong, f"{len(wrong)} of {len(outcomes)} users got neither an answer nor a refusal: {wrong[0]}"
    assert "served" in outcomes, f"nobody was served: {outcomes}"
