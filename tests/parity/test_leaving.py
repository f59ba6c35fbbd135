"""Users who leave: work that goes on for nobody is noticed, and so is a server that keeps others waiting."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from support.http.client import NoAnswer
from support.parity import leaving
from support.parity.routes import OPENAI_CHAT, Route
from support.waiting import WaitTimeout
from tests.bounds import PATIENCE
from tests.contracts.toys import chat
from tests.http.tiny_server import Reply, TinyServer, bytes_reply, json_reply, silence, trickle

Serve = Callable[[Reply], TinyServer]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


class Meter:
    """Uses this share of a core as long as `busy` says so."""

    def __init__(self, busy: Callable[[], bool], share: float = 1.0) -> None:
        self._busy, self._share = busy, share
        self._used, self._last = 0.0, time.monotonic()

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


def route(server: TinyServer) -> Route:
    return Route("toy", server.url, "tiny", OPENAI_CHAT)


def test_work_that_ends_with_its_client_is_right(serve: Serve) -> None:
    streaming = Streaming()
    meter = Meter(lambda: not streaming.gone.is_set())
    leaving.leave_half_way(route(serve(streaming)), meter, stream=True, within=PATIENCE)
    assert streaming.gone.is_set()


def test_a_server_that_gets_a_tenth_of_a_core_is_at_work(serve: Serve) -> None:
    """On a machine where others work as well."""
    with pytest.raises(WaitTimeout, match=r"at rest after .* 0\.\d\d cores in use"):
        leaving.leave_half_way(
            route(serve(Streaming())), Meter(lambda: True, share=0.1), stream=True, within=0.7
        )


def test_work_for_nobody_is_noticed(serve: Serve) -> None:
    with pytest.raises(WaitTimeout, match="at rest after the client of toy has left"):
        leaving.leave_half_way(route(serve(Streaming())), Meter(lambda: True), stream=True, within=0.7)


def test_a_whole_answer_is_left_when_it_is_being_made(serve: Serve) -> None:
    with pytest.raises(WaitTimeout, match=r"[01]\.\d\d cores in use"):
        leaving.leave_half_way(route(serve(silence)), Meter(lambda: True), stream=False, within=0.7)


def test_a_stream_that_ends_is_no_work_to_leave(serve: Serve) -> None:
    server = serve(json_reply(chat()))
    with pytest.raises(NoAnswer, match="the stream ended"):
        leaving.leave_half_way(route(server), Meter(lambda: True), stream=True, within=0.7)


def test_who_is_kept_waiting_by_a_slow_reader_is_noticed(serve: Serve) -> None:
    stuck = trickle(HEAD, b"x" * 600)
    answers = iter([json_reply(chat()), stuck, stuck])
    server = serve(lambda connection, closing: next(answers)(connection, closing))
    with pytest.raises(AssertionError, match=r"did not (answer|finish) within"):
        leaving.ask_beside_a_slow_reader(route(server), 1, within=0.5)


def test_what_takes_its_time_without_a_slow_reader_may_do_so_beside_one(serve: Serve) -> None:
    def slow(connection: socket.socket, closing: threading.Event) -> None:
        closing.wait(0.3)
        json_reply(chat())(connection, closing)

    answers = iter([slow, trickle(HEAD, b"x" * 600), slow])
    server = serve(lambda connection, closing: next(answers)(connection, closing))
    (said,) = leaving.ask_beside_a_slow_reader(route(server), 1, within=0.1)
    assert said.text


def test_a_full_server_may_answer_or_say_that_it_is_busy(serve: Serve) -> None:
    served = leaving.fill(route(serve(json_reply(chat()))), 3, within=PATIENCE)
    busy = leaving.fill(route(serve(json_reply({}, "503 Service Unavailable"))), 2, within=PATIENCE)
    assert (served, busy) == (["served"] * 3, ["busy"] * 2)
    leaving.require_served_or_busy([*served, *busy])
    with pytest.raises(AssertionError, match="nobody was served"):
        leaving.require_served_or_busy(busy)


def test_a_full_server_that_fails_is_noticed(serve: Serve) -> None:
    failed = leaving.fill(route(serve(json_reply({}, "500 Internal Server Error"))), 2, within=PATIENCE)
    with pytest.raises(AssertionError, match="2 of 3 users got neither"):
        leaving.require_served_or_busy(["served", *failed])


def test_a_neighbour_whose_stream_breaks_off_is_noticed(serve: Serve) -> None:
    broken = bytes_reply(HEAD + b'data: {"choices": []}\n\n')
    with pytest.raises(AssertionError, match="ends with exactly one"):
        leaving.leave_beside_a_neighbour(route(serve(broken)), leaving.SHORT, within=PATIENCE)
