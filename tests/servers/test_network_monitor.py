"""The network monitor records every outgoing connection, and its thread ends when it is closed."""

from __future__ import annotations

import socket
import threading
import urllib.request
from contextlib import closing
from types import SimpleNamespace
from urllib.parse import urlsplit

import psutil
import pytest

from support.servers import network_monitor
from support.servers.network_monitor import PROXY_NAMES, NetworkMonitor
from support.waiting import wait_until
from tests.timeouts import PATIENCE


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "network-monitor"]


def connect(monitor: NetworkMonitor, words: bytes) -> None:
    address = urlsplit(monitor.environment["HF_ENDPOINT"])
    with socket.create_connection((address.hostname, address.port or 0), timeout=PATIENCE) as connection:
        connection.sendall(words)


def test_without_connections_there_are_no_attempts() -> None:
    with closing(NetworkMonitor()) as monitor:
        monitor.check_attempts(expected=False)
        with pytest.raises(AssertionError, match="the monitor saw no connection"):
            monitor.check_attempts(expected=True)


@pytest.mark.parametrize(
    ("words", "recorded"),
    [
        (b"GET http://hub.example/model HTTP/1.1\r\n\r\n", "GET http://hub.example/model HTTP/1.1"),
        (b"CONNECT hub.example:443 HTTP/1.1\r\n\r\n", "CONNECT hub.example:443 HTTP/1.1"),
        (b"\x16\x03\xff", "\x16\x03�"),
        (b"", "(a connection without data)"),
    ],
)
def test_a_connection_is_recorded_at_once(words: bytes, recorded: str) -> None:
    with closing(NetworkMonitor()) as monitor:
        connect(monitor, words)
        with pytest.raises(AssertionError, match="1 outgoing connections"):
            monitor.check_attempts(expected=False)
        monitor.check_attempts(expected=True)
        assert monitor.attempts == [recorded]


def test_a_connection_without_data_yet_counts() -> None:
    with closing(NetworkMonitor()) as monitor:
        address = urlsplit(monitor.environment["HF_ENDPOINT"])
        with (
            socket.create_connection((address.hostname, address.port or 0), timeout=PATIENCE),
            pytest.raises(AssertionError, match="1 outgoing connections"),
        ):
            monitor.check_attempts(expected=False)


def test_all_connections_are_counted() -> None:
    with closing(NetworkMonitor()) as monitor:
        for number in range(20):
            connect(monitor, b"connection %d\n" % number)
        monitor.check_attempts(expected=True)
        assert monitor.attempts == [f"connection {number}" for number in range(20)]


def test_a_program_that_honours_proxies_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(NetworkMonitor()) as monitor:
        for name, value in monitor.environment.items():
            monkeypatch.setenv(name, value)
        assert all(
            name in monitor.environment and name.lower() in monitor.environment for name in PROXY_NAMES
        )
        with pytest.raises(OSError, match=r".+"):
            urllib.request.urlopen("http://hub.invalid/model", timeout=PATIENCE)
        monitor.check_attempts(expected=True)
        assert monitor.attempts[0].startswith("GET http://hub.invalid/model")


class Connected:
    """A process with connections, as psutil has it."""

    pid = 7

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    def name(self) -> str:
        return "server"

    def net_connections(self, kind: str) -> list[SimpleNamespace]:
        remote = [(address, 443) for address in self._addresses]
        assert kind == "all"
        return [
            SimpleNamespace(fd=fd, family=socket.AF_INET, type=socket.SOCK_STREAM, raddr=one, status="")
            for fd, one in enumerate([(), *remote])
        ]


@pytest.mark.parametrize(
    ("addresses", "attempts"),
    [
        (("127.0.0.1", "203.0.113.7"), ["server connected to 203.0.113.7:443, past the proxy"]),
        (("127.0.0.1", "::1", "::ffff:127.0.0.1"), []),
        ((), []),
    ],
)
def test_a_connection_past_the_proxy_is_seen_once(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...], attempts: list[str]
) -> None:
    looks: list[int] = []

    def tree(pid: int) -> list[Connected]:
        # What was there before the monitor is not its business.
        looks.append(pid)
        return [Connected(*addresses)] if len(looks) > 1 else []

    monkeypatch.setattr(network_monitor, "process_tree", tree)
    # What is read of a process that is none: all of it each time, as on a system without `/proc`.
    monkeypatch.setattr(psutil, "LINUX", False)
    with closing(NetworkMonitor()) as monitor:
        wait_until("some looks", lambda: len(looks) > 3, timeout=PATIENCE)
        monitor.check_attempts(expected=bool(attempts))
    assert monitor.attempts == attempts


class Ending(Connected):
    """A process that ends when its connections have been read."""

    has_ended = False

    def name(self) -> str:
        if self.has_ended:
            raise psutil.NoSuchProcess(self.pid)
        return super().name()

    def net_connections(self, kind: str) -> list[SimpleNamespace]:
        self.has_ended = True
        return super().net_connections(kind)


def test_a_connection_of_a_process_that_ends_meanwhile_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    trees: list[list[Connected]] = [[], [Ending("203.0.113.7")]]
    monkeypatch.setattr(network_monitor, "process_tree", lambda _: trees.pop(0) if trees else [])
    monkeypatch.setattr(psutil, "LINUX", False)
    with closing(NetworkMonitor()) as monitor:
        wait_until("a look", lambda: not trees, timeout=PATIENCE)
        monitor.check_attempts(expected=True)
    assert monitor.attempts == ["server connected to 203.0.113.7:443, past the proxy"]


def test_closing_ends_the_thread_and_frees_the_port() -> None:
    monitor = NetworkMonitor()
    with closing(monitor):
        assert threads() == ["network-monitor"]
        address = urlsplit(monitor.environment["HF_ENDPOINT"])
    assert threads() == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname, address.port or 0), timeout=PATIENCE)
    monitor.close()
    monitor.check_attempts(expected=False)
