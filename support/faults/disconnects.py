"""Clients that disconnect in the middle of an answer, or do not read their stream."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from support.chat.endpoint import ChatEndpoint, ChatRequest
from support.http.client import RequestFailed
from support.performance.activity import ActivityProbe
from support.performance.concurrency import run_concurrently
from support.performance.overload import UserOutcome, ask_as_user
from support.waiting import wait_until

# A scripted answer that goes round for ever, and more tokens of it than a server makes in a minute.
ENDLESS = ChatRequest(({"role": "user", "content": "Tell me about the forever"},), limit=30_000)
SHORT = ChatRequest(({"role": "user", "content": "Say it briefly"},), limit=20)
BEGIN_SECONDS = 30.0
# So little that the stream is held up after some hundred words.
SMALL_BUFFER = 4096
# Four who leave broke about every second answer of a server that has this defect.
DISCONNECTING_CLIENTS, TRIES = 4, 10


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
        body = json.dumps(endpoint.request(chat_request, stream=stream)).encode()
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
class StreamOutcome:
    """What was wrong with the stream of a client that stayed; None: it was complete."""

    failure: AssertionError | None = None

    def require_complete(self) -> None:
        """Raises what was wrong."""
        if self.failure is not None:
            raise self.failure


def ask_beside_slow_reader(endpoint: ChatEndpoint, users: int, timeout: float) -> list[UserOutcome]:
    """While somebody has an endless stream and does not read it, so many users ask one after the other."""
    guest = RawClient(endpoint, ENDLESS, stream=True, small_buffer=True)
    try:
        guest.read(500)
        return [ask_as_user(endpoint, SHORT, stream=False, timeout=timeout) for _ in range(users)]
    finally:
        guest.disconnect()


def require_text(outcomes: Sequence[UserOutcome], text: str) -> None:
    """Every user got this answer; raises AssertionError with the first one who did not."""
    for number, user in enumerate(outcomes, 1):
        assert user.text == text, (
            f"user {number} of {len(outcomes)}: expected {text!r}, got {user.error or repr(user.text)}"
        )


def require_timely(outcomes: Sequence[UserOutcome], limit: float) -> None:
    """Every user got an answer within so many seconds; raises AssertionError with the first who did not."""
    for number, user in enumerate(outcomes, 1):
        assert user.seconds <= limit and not user.error, (
            f"user {number} of {len(outcomes)}: expected an answer within {limit:g} s, "
            f"got {user.error or repr(user.text)} after {user.seconds:.1f} s"
        )


def disconnect_beside_stream(
    endpoint: ChatEndpoint, streamed_request: ChatRequest, *, timeout: float
) -> StreamOutcome:
    """Clients disconnect before their short answers, not streamed, while another client's answer is streamed.

    Their answers end after they have disconnected. Several tries, as the defect needs two events at once; the
    outcome is that of the first incomplete stream.
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
        return StreamOutcome(error)
    return StreamOutcome()
