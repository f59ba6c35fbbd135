"""Clients that disconnect in the middle of an answer, or do not read their stream."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

from support.chat.client import ChatEndpoint, ChatRequest
from support.errors import CheckFailed
from support.http.client import RequestFailed, tls_context
from support.performance.activity import ActivityProbe
from support.performance.concurrency import UserOutcome, ask_as_user, run_concurrently
from support.waiting import wait_until

# A scripted answer without an end, and more tokens of it than a server generates in a minute.
ENDLESS = ChatRequest(({"role": "user", "content": "Tell me about the forever"},), limit=30_000)
SHORT = ChatRequest(({"role": "user", "content": "Say it briefly"},), limit=20)
BEGIN_SECONDS = 30.0
# So small that the stream stops after some hundred words.
SMALL_BUFFER = 4096
# Four disconnects broke about every second answer of a server with this defect; beside busy programs about
# every tenth (3 of 9 times none of ten).
DISCONNECTING_CLIENTS, TRIES = 4, 40


class RawClient:
    """One client on a plain socket."""

    def __init__(
        self, endpoint: ChatEndpoint, chat_request: ChatRequest, *, stream: bool, small_buffer: bool = False
    ) -> None:
        """Connects and sends the request; `small_buffer`: with a small receive buffer."""
        place = urlsplit(endpoint.url)
        secure = place.scheme == "https"
        self._socket = socket.socket(socket.AF_INET6 if ":" in str(place.hostname) else socket.AF_INET)
        if small_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        self._socket.settimeout(BEGIN_SECONDS)
        self._socket.connect((place.hostname, place.port or (443 if secure else 80)))
        if secure:
            context = tls_context(endpoint.url)
            self._socket = context.wrap_socket(self._socket, server_hostname=place.hostname)
        body = json.dumps(endpoint.request(chat_request, stream=stream)).encode()
        connection = HTTPConnection(place.netloc)
        connection.sock = self._socket
        headers = {"Content-Type": "application/json"}
        if endpoint.key:
            headers["Authorization"] = f"Bearer {endpoint.key}"
        connection.request("POST", place.path + endpoint.protocol.path, body, headers)

    def read(self, least: int) -> bytes:
        """The first `least` bytes of the answer; raises `RequestFailed` when there are fewer."""
        got = b""
        while len(got) < least:
            try:
                part = self._socket.recv(SMALL_BUFFER)
            except OSError as error:
                raise RequestFailed(f"no bytes after {len(got)} bytes of a stream: {error}") from None
            if not part:
                raise RequestFailed(f"the stream ended after {len(got)} bytes: {got[-200:]!r}")
            got += part
        return got

    def close(self) -> None:
        self._socket.close()


def disconnect_mid_answer(endpoint: ChatEndpoint, activity: ActivityProbe, *, stream: bool) -> None:
    """Request an endless answer, and disconnect while it is generated; AssertionError when it never is."""
    with closing(RawClient(endpoint, ENDLESS, stream=stream)) as client:
        if stream:
            client.read(2000)
        else:
            wait_until(
                f"the server busy, by its {activity.source}",
                activity.begun,
                timeout=BEGIN_SECONDS,
                seen=activity.last_observation,
            )


def require_idle(endpoint: ChatEndpoint, activity: ActivityProbe, timeout: float) -> None:
    """The server is idle within so many seconds; raises WaitTimeout, an AssertionError."""
    wait_until(
        f"the server idle, by its {activity.source}, after the client of {endpoint.name} has disconnected",
        activity.ended,
        timeout=timeout,
        seen=activity.last_observation,
    )


def ask_beside_slow_reader(endpoint: ChatEndpoint, users: int, timeout: float) -> list[UserOutcome]:
    """While a client does not read its endless stream, so many users send a request one after the other."""
    with closing(RawClient(endpoint, ENDLESS, stream=True, small_buffer=True)) as client:
        client.read(500)
        return [ask_as_user(endpoint, SHORT, stream=False, timeout=timeout) for _ in range(users)]


def require_texts(outcomes: Sequence[tuple[str, UserOutcome]]) -> None:
    """Every user got the answer beside; raises AssertionError with the first one who did not."""
    for number, (text, user) in enumerate(outcomes, 1):
        if user.text != text:
            raise CheckFailed(
                f"user {number} of {len(outcomes)}: expected {text!r}, got {user.error or repr(user.text)}"
            )


def require_timely(outcomes: Sequence[UserOutcome], limit: float) -> None:
    """Every user got an answer within so many seconds; raises AssertionError with the first who did not."""
    for number, user in enumerate(outcomes, 1):
        if not (user.seconds <= limit and not user.error):
            raise CheckFailed(
                f"user {number} of {len(outcomes)}: expected an answer within {limit:g} s, "
                f"got {user.error or repr(user.text)} after {user.seconds:.1f} s"
            )


def disconnect_beside_stream(
    endpoint: ChatEndpoint, streamed_request: ChatRequest, *, timeout: float
) -> AssertionError | None:
    """Clients disconnect before their short answers, not streamed, while another client's answer is streamed.

    Their answers end after they have disconnected. Several tries, as the defect needs two events at once; the
    result is the defect of the first incomplete stream, None when all were complete.
    """

    def leave() -> None:
        RawClient(endpoint, SHORT, stream=False).close()

    def listen() -> None:
        answer = endpoint.ask(streamed_request, stream=True, timeout=timeout)
        if not (answer.text and answer.finish_reason in ("stop", "length")):
            raise CheckFailed(
                f"beside clients that disconnect a stream had the text {answer.text!r} and the finish reason "
                f"{answer.finish_reason!r}"
            )

    try:
        for _ in range(TRIES):
            run_concurrently(lambda work: work(), [listen, *[leave] * DISCONNECTING_CLIENTS])
    except AssertionError as error:
        return error
    return None
