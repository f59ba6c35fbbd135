"""Users who leave half-way, who do not read on, who come to a full server."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from support.chat.endpoint import Route, Talk
from support.faults.malformed_requests import require_form
from support.http.client import NoAnswer
from support.performance.activity import Work
from support.performance.concurrency import asking_about, at_once
from support.waiting import wait_until

# A scripted answer that goes round for ever, and more tokens of it than a server makes in a minute.
ENDLESS = Talk(({"role": "user", "content": "Tell me about the forever"},), limit=30_000)
SHORT = Talk(({"role": "user", "content": "Say it briefly"},), limit=20)
BEGIN_SECONDS = 30.0
# So little that the stream is held up after some hundred words.
SMALL_BUFFER = 4096
# Four who leave broke about every second answer of a server that has this defect.
LEAVERS, TRIES = 4, 10
# What a server at its limit may say instead of an answer: too many requests, or busy (RFC 6585, RFC 9110).
BUSY = (429, 503)


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


def leave_half_way(route: Route, work: Work, *, stream: bool) -> None:
    """Ask for an endless answer, and leave when it is being made; raises AssertionError when it never is."""
    guest = Guest(route, ENDLESS, stream=stream)
    try:
        if stream:
            guest.read(2000)
        else:
            wait_until(
                f"the server at work, by its {work.source}", work.begun, within=BEGIN_SECONDS, seen=work.told
            )
    finally:
        guest.leave()


def require_rest(route: Route, work: Work, within: float) -> None:
    """The work for who has left ends within so many seconds.

    Raises WaitTimeout, an AssertionError, when the server works on for nobody.
    """
    wait_until(
        f"the server at rest, by its {work.source}, after the client of {route.name} has left",
        work.ended,
        within=within,
        seen=work.told,
    )


@dataclass(frozen=True)
class Served:
    """What a user got: an answer after so many seconds, or what went wrong; `busy`: told to come again."""

    seconds: float
    text: str = ""
    wrong: str = ""
    busy: bool = False


def ask_beside_a_slow_reader(route: Route, users: int, within: float) -> list[Served]:
    """While somebody has an endless stream and does not read it, so many users ask one after the other."""
    guest = Guest(route, ENDLESS, stream=True, small=True)
    try:
        guest.read(500)
        return [_ask(route, SHORT, False, within) for _ in range(users)]
    finally:
        guest.leave()


def require_prompt(served: Sequence[Served], text: str, users: int, within: float) -> None:
    """So many users got this answer, each within so many seconds; raises AssertionError with the first who
    did not."""
    assert len(served) == users, f"{len(served)} users asked, not {users}"
    for number, user in enumerate(served, 1):
        got = user.wrong or f"{user.text!r} after {user.seconds:.1f} s"
        assert user.text == text and user.seconds <= within, (
            f"user {number} of {users}: expected {text!r} within {within:g} s, got {got}"
        )


def leave_beside_a_neighbour(route: Route, neighbour: Talk, *, within: float) -> AssertionError | None:
    """Users leave before their short answers, not streamed, while another user's answer is being made.

    The answers end when nobody is there to take them. Gives what was wrong when the other user's stream did
    not come to its proper end in one of several tries: it takes two things to meet.
    """

    def leave() -> None:
        Guest(route, SHORT, stream=False).leave()

    def listen() -> None:
        said = route.ask(neighbour, stream=True, within=within)
        assert said.text and said.end in ("stop", "length"), (
            f"the neighbour of clients that left got {said.text!r}, which ended by {said.end!r}"
        )

    try:
        for _ in range(TRIES):
            at_once(lambda work: work(), [listen, *[leave] * LEAVERS])
    except AssertionError as error:
        return error
    return None


def fill(
    route: Route, answers: Mapping[str, str], users: int, stream: bool, within: float
) -> list[tuple[str, Served]]:
    """Let more users ask at once than the server takes, each about one of the marks in turn.

    `answers`: by mark, what each mark is answered with. Gives the right answer and what came, for each user.
    """
    marks = list(answers)

    def ask(number: int) -> tuple[str, Served]:
        mark = marks[number % len(marks)]
        return answers[mark], _ask(route, asking_about(mark), stream, within)

    return at_once(ask, range(users))


def require_served_or_busy(outcomes: Sequence[tuple[str, Served]]) -> None:
    """At least one was served, and rightly; the others too, or told in their API's form that it is busy."""
    wrong = [
        user.wrong or f"{user.text!r}, expected {right!r}"
        for right, user in outcomes
        if not user.busy and user.text != right
    ]
    assert not wrong, (
        f"{len(wrong)} of {len(outcomes)} users got neither the right answer nor a refusal: {wrong[0]}"
    )
    assert any(not user.busy for _, user in outcomes), f"nobody was served: {len(outcomes)} were refused"


def _ask(route: Route, talk: Talk, stream: bool, within: float) -> Served:
    begun = time.monotonic()
    with contextlib.closing(route.client(within)) as client:
        try:
            exchange = client.post(route.form.path, route.request(talk, stream))
            if exchange.status in BUSY:
                require_form([(route, exchange)], route.form.api)
                return Served(time.monotonic() - begun, busy=True)
            return Served(time.monotonic() - begun, text=route.said(exchange, stream).text)
        except AssertionError as error:
            return Served(time.monotonic() - begun, wrong=str(error))
