"""Users who leave half-way, who do not read on, who come to a full server."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from support.chat.endpoint import ChatEndpoint, ChatRequest
from support.faults.malformed_requests import require_error_format
from support.http.client import RequestFailed
from support.performance.activity import ActivityProbe
from support.performance.concurrency import request_about, run_concurrently
from support.waiting import wait_until

# A scripted answer that goes round for ever, and more tokens of it than a server makes in a minute.
ENDLESS = ChatRequest(({"role": "user", "content": "Tell me about the forever"},), limit=30_000)
SHORT = ChatRequest(({"role": "user", "content": "Say it briefly"},), limit=20)
BEGIN_SECONDS = 30.0
# So little that the stream is held up after some hundred words.
SMALL_BUFFER = 4096
# Four who leave broke about every second answer of a server that has this defect.
DISCONNECTING_CLIENTS, TRIES = 4, 10
# What a server at its limit may say instead of an answer: too many requests, or busy (RFC 6585, RFC 9110).
BUSY = (429, 503)


class RawClient:
    """One user on a bare connection, who may leave without a word."""

    def __init__(
        self, endpoint: ChatEndpoint, chat_request: ChatRequest, *, stream: bool, small_buffer: bool = False
    ) -> None:
        """Connects and asks; `small`: with little room for what comes."""
        place = urlsplit(endpoint.url)
        self._socket = socket.socket()
        if small_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        self._socket.settimeout(BEGIN_SECONDS)
        self._socket.connect((place.hostname, place.port or 80))
        body = json.dumps(endpoint.request(chat_request, stream)).encode()
        head = (
            f"POST {endpoint.protocol.path} HTTP/1.1\r\nHost: {place.netloc}\r\n"
            "Content-Type: application/json\r\n"
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
                raise RequestFailed(f"{len(got)} bytes of a stream had come, then none: {error}") from None
            if not part:
                raise RequestFailed(f"the stream ended after {len(got)} bytes: {got[-200:]!r}")
            got += part
        return got

    def disconnect(self) -> None:
        """Close the connection at once."""
        self._socket.close()


def disconnect_mid_answer(endpoint: ChatEndpoint, activity: ActivityProbe, *, stream: bool) -> None:
    """Ask for an endless answer, and leave when it is being made; raises AssertionError when it never is."""
    guest = RawClient(endpoint, ENDLESS, stream=stream)
    try:
        if stream:
            guest.read(2000)
        else:
            wait_until(
                f"the server at work, by its {activity.source}",
                activity.begun,
                timeout=BEGIN_SECONDS,
                seen=activity.last_observation,
            )
    finally:
        guest.disconnect()


def require_idle(endpoint: ChatEndpoint, activity: ActivityProbe, timeout: float) -> None:
    """The work for who has left ends within so many seconds.

    Raises WaitTimeout, an AssertionError, when the server works on for nobody.
    """
    wait_until(
        f"the server at rest, by its {activity.source}, after the client of {endpoint.name} has left",
        activity.ended,
        timeout=timeout,
        seen=activity.last_observation,
    )


@dataclass(frozen=True)
class UserOutcome:
    """What a user got: an answer after so many seconds, or what went wrong; `busy`: told to come again."""

    seconds: float
    text: str = ""
    error: str = ""
    busy: bool = False


def ask_beside_slow_reader(endpoint: ChatEndpoint, users: int, timeout: float) -> list[UserOutcome]:
    """While somebody has an endless stream and does not read it, so many users ask one after the other."""
    guest = RawClient(endpoint, ENDLESS, stream=True, small_buffer=True)
    try:
        guest.read(500)
        return [_ask(endpoint, SHORT, False, timeout) for _ in range(users)]
    finally:
        guest.disconnect()


def require_timely(outcomes: Sequence[UserOutcome], text: str, users: int, limit: float) -> None:
    """So many users got this answer, each within so many seconds; raises AssertionError with the first who
    did not."""
    assert len(outcomes) == users, f"{len(outcomes)} users asked, not {users}"
    for number, user in enumerate(outcomes, 1):
        got = user.error or f"{user.text!r} after {user.seconds:.1f} s"
        assert user.text == text and user.seconds <= limit, (
            f"user {number} of {users}: expected {text!r} within {limit:g} s, got {got}"
        )


def disconnect_beside_stream(
    endpoint: ChatEndpoint, streamed_request: ChatRequest, *, timeout: float
) -> AssertionError | None:
    """Users leave before their short answers, not streamed, while another user's answer is being made.

    The answers end when nobody is there to take them. Gives what was wrong when the other user's stream did
    not come to its proper end in one of several tries: it takes two things to meet.
    """

    def leave() -> None:
        RawClient(endpoint, SHORT, stream=False).disconnect()

    def listen() -> None:
        said = endpoint.ask(streamed_request, stream=True, timeout=timeout)
        assert said.text and said.finish_reason in ("stop", "length"), (
            f"the neighbour of clients that left got {said.text!r}, which ended by {said.finish_reason!r}"
        )

    try:
        for _ in range(TRIES):
            run_concurrently(lambda work: work(), [listen, *[leave] * DISCONNECTING_CLIENTS])
    except AssertionError as error:
        return error
    return None


def overload(
    endpoint: ChatEndpoint, answers: Mapping[str, str], users: int, stream: bool, timeout: float
) -> list[tuple[str, UserOutcome]]:
    """Let more users ask at once than the server takes, each about one of the marks in turn.

    `answers`: by mark, what each mark is answered with. Gives the right answer and what came, for each user.
    """
    marks = list(answers)

    def ask(number: int) -> tuple[str, UserOutcome]:
        mark = marks[number % len(marks)]
        return answers[mark], _ask(endpoint, request_about(mark), stream, timeout)

    return run_concurrently(ask, range(users))


def require_served_or_busy(outcomes: Sequence[tuple[str, UserOutcome]]) -> None:
    """At least one was served, and rightly; the others too, or told in their API's form that it is busy."""
    wrong = [
        user.error or f"{user.text!r}, expected {right!r}"
        for right, user in outcomes
        if not user.busy and user.text != right
    ]
    assert not wrong, (
        f"{len(wrong)} of {len(outcomes)} users got neither the right answer nor a refusal: {wrong[0]}"
    )
    assert any(not user.busy for _, user in outcomes), f"nobody was served: {len(outcomes)} were refused"


def _ask(endpoint: ChatEndpoint, chat_request: ChatRequest, stream: bool, timeout: float) -> UserOutcome:
    begun = time.monotonic()
    with contextlib.closing(endpoint.client(timeout)) as client:
        try:
            exchange = client.post(endpoint.protocol.path, endpoint.request(chat_request, stream))
            if exchange.status in BUSY:
                require_error_format([(endpoint, exchange)], endpoint.protocol.api)
                return UserOutcome(time.monotonic() - begun, busy=True)
            return UserOutcome(time.monotonic() - begun, text=endpoint.parse_answer(exchange, stream).text)
        except AssertionError as error:
            return UserOutcome(time.monotonic() - begun, error=str(error))
