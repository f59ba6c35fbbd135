"""Users who leave: work that goes on for nobody is noticed, and so is a server that keeps others waiting."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from support.chat.client import OPENAI_CHAT, ChatEndpoint, ChatProtocol
from support.faults import disconnects
from support.faults.disconnects import SHORT
from support.http.client import ApiClient, RequestFailed
from support.performance.activity import CpuActivity, MetricsActivity, watch_activity
from support.performance.concurrency import UserOutcome
from support.waiting import WaitTimeout
from tests.conformance.samples import chat
from tests.http.tiny_server import Reply, TinyServer, bytes_reply, json_reply, reply, silence, trickle
from tests.timeouts import PATIENCE

Serve = Callable[[Reply], TinyServer]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


class Meter:
    """Uses this share of a core as long as `busy` says so, or wants to as long as `starved` says so."""

    def __init__(
        self, busy: Callable[[], bool], share: float = 1.0, starved: Callable[[], bool] = lambda: False
    ) -> None:
        self._busy, self._share = busy, share
        self._used, self._last = 0.0, time.monotonic()
        self.has_runnable_thread = starved

    def cpu_seconds(self) -> float:
        now = time.monotonic()
        self._used += (now - self._last) * self._share if self._busy() else 0.0
        self._last = now
        return self._used


class Streaming:
    """A server that streams for ever; `gone` is set when its client has left."""

    def __init__(self) -> None:
        self.gone = threading.Event()

    def __call__(self, connection: socket.socket, closing: threading.Event) -> None:
        try:
            trickle(HEAD, b"x" * 3000, every=0.01)(connection, closing)
        except OSError:
            self.gone.set()


def route(server: TinyServer, form: ChatProtocol = OPENAI_CHAT) -> ChatEndpoint:
    return ChatEndpoint("toy", server.url, "tiny", form)


def leave(at: ChatEndpoint, meter: Meter, *, stream: bool, within: float) -> None:
    work = CpuActivity(meter)
    disconnects.disconnect_mid_answer(at, work, stream=stream)
    disconnects.require_idle(at, work, within)


# -- judged by CPU time


def test_work_that_ends_with_its_client_is_right(serve: Serve) -> None:
    streaming = Streaming()
    meter = Meter(lambda: not streaming.gone.is_set())
    leave(route(serve(streaming)), meter, stream=True, within=PATIENCE)
    assert streaming.gone.is_set()


def test_a_server_that_gets_a_tenth_of_a_core_is_at_work(serve: Serve) -> None:
    """On a machine where others work as well."""
    with pytest.raises(WaitTimeout, match=r"idle, by its CPU time, after .* 0\.\d\d cores in use"):
        leave(route(serve(Streaming())), Meter(lambda: True, share=0.1), stream=True, within=0.7)


def test_a_server_that_gets_nothing_of_a_core_but_wants_it_is_at_work(serve: Serve) -> None:
    starved = Meter(lambda: False, starved=lambda: True)
    with pytest.raises(WaitTimeout, match=r"0\.00 cores in use, and a runnable thread"):
        leave(route(serve(Streaming())), starved, stream=True, within=0.7)


def test_work_for_nobody_is_noticed(serve: Serve) -> None:
    with pytest.raises(WaitTimeout, match="idle, by its CPU time, after the client of toy has disconnected"):
        leave(route(serve(Streaming())), Meter(lambda: True), stream=True, within=0.7)


def test_a_whole_answer_is_left_when_it_is_being_made(serve: Serve) -> None:
    with pytest.raises(WaitTimeout, match=r"[01]\.\d\d cores in use"):
        leave(route(serve(silence)), Meter(lambda: True), stream=False, within=0.7)


def test_a_stream_that_ends_is_no_work_to_leave(serve: Serve) -> None:
    server = serve(json_reply(chat()))
    with pytest.raises(RequestFailed, match="the stream ended"):
        leave(route(server), Meter(lambda: True), stream=True, within=0.7)


# -- judged by metrics


class Engine:
    """A server with metrics as 0.9.2 has them: its gauge of running sequences never falls again.

    `ends`: whether it ends a sequence whose client has left.
    """

    def __init__(self, *, ends: bool) -> None:
        self.tokens = self.completed = self.asked = 0
        self._ends = ends

    def __call__(self, connection: socket.socket, closing: threading.Event) -> None:
        request = self.server.requests[-1]
        if request.startswith(b"GET"):
            self.tokens += 0 if self.asked == self.completed else 7
            return reply(self._metrics(), content_type="text/plain")(connection, closing)
        self.asked += 1
        self.tokens += 10
        if b"forever" not in request:
            self.completed += 1
            return json_reply(chat())(connection, closing)
        # Nothing comes from a client any more when it has left.
        connection.recv(1)
        self.completed += 1 if self._ends else 0
        return None

    def _metrics(self) -> bytes:
        lines = ["# TYPE mistralrs_sequences_running gauge", "mistralrs_sequences_running 1"]
        lines += [f"mistralrs_tokens_processed_total {self.tokens}"]
        lines += [f'mistralrs_sequences_completed_total{{reason="stop"}} {self.completed}'] * bool(self.asked)
        return "\n".join([*lines, ""]).encode()

    server: TinyServer


def engine(serve: Serve, *, ends: bool) -> ChatEndpoint:
    made = Engine(ends=ends)
    made.server = serve(made)
    return route(made.server)


def test_where_metrics_tell_of_sequences_they_are_the_judge(serve: Serve) -> None:
    direct = engine(serve, ends=True)
    with watch_activity(direct, Meter(lambda: True), SHORT, PATIENCE) as work:
        assert isinstance(work, MetricsActivity)
        disconnects.disconnect_mid_answer(direct, work, stream=False)
        disconnects.require_idle(direct, work, PATIENCE)


def test_a_sequence_that_goes_on_is_seen_in_the_metrics(serve: Serve) -> None:
    direct = engine(serve, ends=False)
    with watch_activity(direct, Meter(lambda: False), SHORT, PATIENCE) as work:
        disconnects.disconnect_mid_answer(direct, work, stream=False)
        with pytest.raises(WaitTimeout, match=r"by its metrics, after .* 0 sequences ended and \d+ tokens"):
            disconnects.require_idle(direct, work, 0.7)


def test_tokens_that_go_on_are_work_although_a_sequence_has_ended(serve: Serve) -> None:
    made = Engine(ends=False)
    made.server = serve(made)
    client = ApiClient(made.server.url)
    work = MetricsActivity(client)
    made.asked, made.completed = 2, 1
    with pytest.raises(WaitTimeout, match="1 sequences ended and"):
        disconnects.require_idle(route(made.server), work, 0.7)
    client.close()


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
def test_without_metrics_of_sequences_cpu_time_is_the_judge(serve: Serve, status: str) -> None:
    def answer(connection: socket.socket, closing: threading.Event) -> None:
        page = reply(b"http_requests_total 3\n", status, "text/plain")
        asked = server.requests[-1].startswith(b"POST")
        (json_reply(chat()) if asked else page)(connection, closing)

    server = serve(answer)
    with watch_activity(route(server), Meter(lambda: False), SHORT, PATIENCE) as work:
        assert isinstance(work, CpuActivity)


# -- others


def test_who_is_kept_waiting_by_a_slow_reader_is_noticed(serve: Serve) -> None:
    served = disconnects.ask_beside_slow_reader(route(serve(trickle(HEAD, b"x" * 600))), 1, timeout=0.5)
    with pytest.raises(AssertionError, match=r"user 1 of 1.*did not (answer|finish) within"):
        disconnects.require_timely(served, limit=PATIENCE)


@pytest.mark.parametrize(
    ("served", "words"),
    [
        ([UserOutcome(0.1, "Yes."), UserOutcome(0.1, "No.")], "user 2 of 2: expected 'Yes.', got 'No.'"),
        ([UserOutcome(0.1, error="no answer")], "user 1 of 1: .* got no answer"),
        ([UserOutcome(9.0, "Yes."), UserOutcome(0.1, "Yes.")], "user 1 of 2: .* after 9.0 s"),
    ],
)
def test_others_have_to_be_answered_rightly_and_in_time(served: list[UserOutcome], words: str) -> None:
    def check(outcomes: list[UserOutcome]) -> None:
        disconnects.require_texts([("Yes.", outcome) for outcome in outcomes])
        disconnects.require_timely(outcomes, limit=1.0)

    check([UserOutcome(0.1, "Yes.")] * 2)
    with pytest.raises(AssertionError, match=words):
        check(served)


def test_a_neighbour_whose_stream_breaks_off_is_noticed(serve: Serve) -> None:
    broken = bytes_reply(HEAD + b'data: {"choices": []}\n\n')
    failure = disconnects.disconnect_beside_stream(route(serve(broken)), SHORT, timeout=PATIENCE)
    assert "ends with exactly one" in str(failure)


@pytest.mark.parametrize(("broken", "noticed"), [(25, True), (None, False)])
def test_a_server_that_rarely_breaks_a_stream_is_noticed(
    monkeypatch: pytest.MonkeyPatch, broken: int | None, noticed: object
) -> None:
    """Beside busy programs a disconnect meets the moment of the defect in about every tenth attempt."""
    asked = 0

    def ask(*_: object, **__: object) -> SimpleNamespace:
        nonlocal asked
        asked += 1
        return SimpleNamespace(text="round and", finish_reason="" if asked == broken else "length")

    monkeypatch.setattr(disconnects, "RawClient", lambda *_, **__: SimpleNamespace(close=lambda: None))

    found = disconnects.disconnect_beside_stream(
        SimpleNamespace(ask=ask),  # type: ignore[arg-type]
        disconnects.SHORT,
        timeout=1,
    )

    assert (found is not None) == noticed
