"""Detects outgoing network access: proxies and `HF_ENDPOINT` lead to a listener that only records.

A program that honours them (the hub client of mistral.rs does) is seen when it tries to fetch something.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping

from support.errors import CheckFailed

SYNC_SECONDS = 30.0
# For the first line of a connection, which says what was to be fetched.
READ_SECONDS = 1.0
PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class NetworkMonitor:
    """Listens on loopback until it is closed. `attempts`: the first line of each connection."""

    def __init__(self) -> None:
        self.attempts: list[str] = []
        self._synchronized = threading.Event()
        # The address of the connection that is no attempt.
        self._own: tuple[str, int] | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._listen, name="network-monitor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; may be called twice."""
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

    def _listen(self) -> None:
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError:
                return
            with connection:
                if address == self._own:
                    self._synchronized.set()
                    continue
                connection.settimeout(READ_SECONDS)
                try:
                    data = connection.recv(200)
                except OSError:
                    data = b""
                first = data.splitlines()[0] if data else b"(a connection without data)"
                self.attempts.append(first.decode(errors="replace"))
