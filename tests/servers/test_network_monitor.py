"""The trap sees whoever wants to leave the machine, and is gone when it is closed."""

from __future__ import annotations

import socket
import threading
import urllib.request
from urllib.parse import urlsplit

import pytest

from support.servers.network_monitor import PROXY_NAMES, NetworkMonitor
from tests.timeouts import PATIENCE


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "network-trap"]


def connect(trap: NetworkMonitor, words: bytes) -> None:
    address = urlsplit(trap.environment["HF_ENDPOINT"])
    with socket.create_connection((address.hostname, address.port or 0), timeout=PATIENCE) as connection:
        connection.sendall(words)


def test_an_untouched_trap_says_so() -> None:
    with NetworkMonitor() as trap:
        trap.check_attempts(expected=False)
        with pytest.raises(AssertionError, match="the monitor saw no connection"):
            trap.check_attempts(expected=True)


@pytest.mark.parametrize(
    ("words", "noted"),
    [
        (b"GET http://hub.example/model HTTP/1.1\r\n\r\n", "GET http://hub.example/model HTTP/1.1"),
        (b"CONNECT hub.example:443 HTTP/1.1\r\n\r\n", "CONNECT hub.example:443 HTTP/1.1"),
        (b"\x16\x03\xff", "\x16\x03�"),
        (b"", "(a connection without a word)"),
    ],
)
def test_whoever_comes_is_written_down_at_once(words: bytes, noted: str) -> None:
    with NetworkMonitor() as trap:
        connect(trap, words)
        with pytest.raises(AssertionError, match="1 outgoing connections"):
            trap.check_attempts(expected=False)
        trap.check_attempts(expected=True)
        assert trap.attempts == [noted]


def test_a_visitor_who_has_not_spoken_yet_is_not_overlooked() -> None:
    with NetworkMonitor() as trap:
        address = urlsplit(trap.environment["HF_ENDPOINT"])
        with (
            socket.create_connection((address.hostname, address.port or 0), timeout=PATIENCE),
            pytest.raises(AssertionError, match="1 outgoing connections"),
        ):
            trap.check_attempts(expected=False)


def test_many_visitors_are_all_counted() -> None:
    with NetworkMonitor() as trap:
        for number in range(20):
            connect(trap, b"visitor %d\n" % number)
        trap.check_attempts(expected=True)
        assert trap.attempts == [f"visitor {number}" for number in range(20)]


def test_a_program_that_honours_proxies_walks_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with NetworkMonitor() as trap:
        for name, value in trap.environment.items():
            monkeypatch.setenv(name, value)
        assert all(name in trap.environment and name.lower() in trap.environment for name in PROXY_NAMES)
        with pytest.raises(OSError, match=r".+"):
            urllib.request.urlopen("http://hub.invalid/model", timeout=PATIENCE)
        trap.check_attempts(expected=True)
        assert trap.attempts[0].startswith("GET http://hub.invalid/model")


def test_closing_ends_the_thread_and_frees_the_port() -> None:
    trap = NetworkMonitor()
    with trap:
        assert threads() == ["network-trap"]
        address = urlsplit(trap.environment["HF_ENDPOINT"])
    assert threads() == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname, address.port or 0), timeout=PATIENCE)
    trap.close()
    trap.check_attempts(expected=False)


def test_a_trap_that_was_never_set_can_be_closed() -> None:
    NetworkMonitor().close()
    assert threads() == []
