"""The connections of a process are read only while one of its sockets may change."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psutil
import pytest

from support.programs.connections import ConnectionReader

LOOPBACK = "127.0.0.1"


class Counted(psutil.Process):
    """This process; `reads` counts how often its connections are read."""

    reads = 0

    def net_connections(self, kind: str = "inet") -> list[Any]:
        self.reads += 1
        return super().net_connections(kind)


@pytest.fixture
def process() -> Counted:
    return Counted(os.getpid())


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def ports(reader: ConnectionReader, process: psutil.Process) -> set[object]:
    return {connection.laddr[1] for connection in reader.read(process) if connection.laddr}


def test_a_process_is_read_again_only_for_another_socket(process: Counted, opened: ExitStack) -> None:
    reader = ConnectionReader()
    server = opened.enter_context(socket.create_server((LOOPBACK, 0)))
    for end in socket.socketpair():
        opened.enter_context(end)
    port = server.getsockname()[1]
    assert port in ports(reader, process)
    assert reader.read(process) == []
    client = opened.enter_context(socket.create_connection((LOOPBACK, port)))
    assert client.getsockname()[1] in ports(reader, process)
    reads = process.reads
    assert reader.read(process) == []
    assert process.reads == reads == 2


def test_a_socket_that_may_still_change_is_read_again(process: Counted, opened: ExitStack) -> None:
    reader = ConnectionReader()
    server = opened.enter_context(socket.create_server((LOOPBACK, 0)))
    later = opened.enter_context(socket.socket())
    later.bind((LOOPBACK, 0))
    for expected in (1, 2):
        reader.read(process)
        assert process.reads == expected
    later.connect(server.getsockname())
    found = [c for c in reader.read(process) if c.laddr == later.getsockname()]
    assert [tuple(c.raddr) for c in found] == [server.getsockname()]
    assert reader.read(process) == []


def test_a_udp_socket_that_is_connected_again_is_seen(process: Counted, opened: ExitStack) -> None:
    reader = ConnectionReader()
    datagrams = opened.enter_context(socket.socket(type=socket.SOCK_DGRAM))
    for port in (7, 9):
        datagrams.connect((LOOPBACK, port))
        assert [tuple(c.raddr) for c in reader.read(process) if c.raddr] == [(LOOPBACK, port)]


def test_a_connection_that_may_still_fail_is_read_again(process: Counted, opened: ExitStack) -> None:
    reader = ConnectionReader()
    full = opened.enter_context(socket.create_server((LOOPBACK, 0), backlog=0))
    opened.enter_context(socket.create_connection(full.getsockname()))
    # The queue of the listener is full, so the kernel does not answer.
    waiting = opened.enter_context(socket.socket())
    waiting.setblocking(False)
    assert waiting.connect_ex(full.getsockname()) == errno.EINPROGRESS
    for expected in (1, 2):
        found = [c.status for c in reader.read(process) if c.laddr == waiting.getsockname()]
        assert found == [psutil.CONN_SYN_SENT]
        assert process.reads == expected


def test_an_ended_process_is_an_error_of_psutil() -> None:
    process = psutil.Popen(["true"])
    process.wait()
    with pytest.raises(psutil.NoSuchProcess):
        ConnectionReader().read(process)
