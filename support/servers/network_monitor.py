"""Detects outgoing network access: proxies and `HF_ENDPOINT` lead to a listener that only records.

A program that honours them (the hub client of mistral.rs does) is seen when it tries to fetch something. One
that connects by itself is seen in the system's list of connections, if that lasts longer than a poll.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import threading
from collections.abc import Mapping

import psutil

from support.errors import CheckFailed
from support.programs.connections import ConnectionReader
from support.programs.process import process_tree
from support.programs.sampling import SamplingThread

SYNC_SECONDS = 30.0
# For the first line of a connection, which says what was to be fetched.
READ_SECONDS = 1.0
# Between two looks at the connections of programs; one of https takes some round trips.
POLL_SECONDS = 0.05
PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class NetworkMonitor:
    """Listens on loopback until it is closed. `attempts`: the first line of each connection, and addresses
    outside this machine to which a program that was started meanwhile is connected."""

    def __init__(self) -> None:
        self.attempts: list[str] = []
        self._synchronized = threading.Event()
        # The address of the connection that is no attempt.
        self._own: tuple[str, int] | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._listen, name="network-monitor", daemon=True)
        self._thread.start()
        self._earlier = {process.pid for process in process_tree(os.getpid())}
        self._connections = ConnectionReader()
        self._seen: set[tuple[int, str]] = set()
        self._looking = threading.Lock()
        self._watching = SamplingThread("connection-monitor", self._watch)
        self._watching.start()

    def close(self) -> None:
        """Stop listening; may be called twice."""
        self._watching.stop()
        # On Linux a blocked accept() only returns when the socket is shut down, not when it is closed.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that lead the connections of a program to the monitor."""
        address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        proxies = dict.fromkeys(PROXY_NAMES, address) | {name.lower(): address for name in PROXY_NAMES}
        return {**proxies, "NO_PROXY": "", "HF_ENDPOINT": address, "HF_HUB_OFFLINE": ""}

    def check_attempts(self, *, expected: bool) -> None:
        """There was an attempt to connect, or there was none."""
        self._synchronize()
        # What has happened since the last poll; and an error that has ended the polling comes here again.
        self._look()
        if expected:
            if not self.attempts:
                raise CheckFailed("the program looks for a missing model, but the monitor saw no connection")
        else:
            if self.attempts:
                raise CheckFailed(f"{len(self.attempts)} outgoing connections: {self.attempts[:3]}")

    def _synchronize(self) -> None:
        """Wait until every earlier connection is recorded: they are accepted in order."""
        if self._thread.is_alive():
            with socket.socket() as last:
                last.bind(("127.0.0.1", 0))
                # Known before it is accepted: what it sends could come late on a busy machine.
                self._own = last.getsockname()
                last.connect(self._listener.getsockname())
                self._synchronized.wait(SYNC_SECONDS)
                self._synchronized.clear()

    def _watch(self) -> None:
        while not self._watching.stopping.wait(POLL_SECONDS):
            self._look()

    def _look(self) -> None:
        with self._looking:
            for process in process_tree(os.getpid()):
                if process.pid not in self._earlier:
                    self._record_connections(process)

    def _record_connections(self, process: psutil.Process) -> None:
        with contextlib.suppress(psutil.Error):
            # Before its connections: once it has ended, it has no name.
            name = process.name()
            for connection in self._connections.read(process):
                remote = connection.raddr
                if connection.type != socket.SOCK_STREAM or not remote or _is_loopback(str(remote[0])):
                    continue
                place = f"{remote[0]}:{remote[1]}"
                if (process.pid, place) not in self._seen:
                    self._seen.add((process.pid, place))
                    self.attempts.append(f"{name} connected to {place}, past the proxy")

    def _listen(self) -> None:
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError:
                return
            with connection:
                if address == self._own:
                    # The same port may be that of a program later.
                    self._own = None
                    self._synchronized.set()
                    continue
                connection.settimeout(READ_SECONDS)
                try:
                    data = connection.recv(200)
                except OSError:
                    data = b""
                first = data.splitlines()[0] if data else b"(a connection without data)"
                self.attempts.append(first.decode(errors="replace"))


def _is_loopback(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
