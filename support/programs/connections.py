"""The network connections of processes, for what looks at them several times a second.

The kernel of Linux looks for them in a table that grows with the memory (262 144 rows with 25 GB): to read
`/proc/net/tcp` takes 7 ms of the processor, and `/proc/net/tcp6` as much, also where nothing is connected.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import psutil


class Connection(Protocol):
    """A socket, as `psutil.Process.net_connections` returns it.

    An address is host and port, of a Unix socket a path; empty where there is none.
    """

    @property
    def fd(self) -> int: ...
    @property
    def family(self) -> int: ...
    @property
    def type(self) -> int: ...
    @property
    def laddr(self) -> Sequence[object]: ...
    @property
    def raddr(self) -> Sequence[object]: ...
    @property
    def status(self) -> str: ...


class ConnectionReader:
    """Reads the connections of processes, and of one only while it has a socket that may still change.

    A TCP socket changes no more once it is connected or listens; an attempt to connect it may fail, and be
    followed by another one. A UDP socket can be connected again and again, as `getaddrinfo` does. A Unix
    socket is no network connection.
    """

    def __init__(self) -> None:
        # Of each process the sockets (inodes) that change no more.
        self._final: dict[psutil.Process, set[str]] = {}

    def read(self, process: psutil.Process) -> list[Connection]:
        """Its TCP and UDP sockets; empty if none can be new since the last call.

        Raises `psutil.Error` when the process has ended or belongs to another user.
        """
        sockets = _sockets(process)
        final = self._final.get(process, set())
        if sockets is not None and final.issuperset(sockets.values()):
            return []
        found: Sequence[Connection] = process.net_connections(kind="all")
        if sockets is not None:
            ended = {sockets[one.fd] for one in found if one.fd in sockets and _is_final(one)}
            self._final[process] = (final | ended).intersection(sockets.values())
        return [one for one in found if not _is_unix(one)]


def _sockets(process: psutil.Process) -> Mapping[int, str] | None:
    """File descriptor -> inode; None where a system has no such list."""
    if not psutil.LINUX:
        return None
    found: dict[int, str] = {}
    try:
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                target = str(link.readlink())
            except FileNotFoundError:  # Closed meanwhile.
                continue
            if target.startswith("socket:"):
                found[int(link.name)] = target
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(process.pid) from None
    except PermissionError:
        raise psutil.AccessDenied(process.pid) from None
    return found


def _is_unix(connection: Connection) -> bool:
    return connection.family == getattr(socket, "AF_UNIX", None)


def _is_final(connection: Connection) -> bool:
    # UDP has the status NONE.
    changing = (psutil.CONN_NONE, psutil.CONN_SYN_SENT)
    connected = bool(connection.raddr) and connection.status not in changing
    return _is_unix(connection) or connected or connection.status == psutil.CONN_LISTEN
