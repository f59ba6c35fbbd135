"""Servers with gateways before them: shared by use, and seen at work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from support.servers.dedicated import ServerWithGateway
from support.servers.pool import Pool
from support.waiting import wait_until
from tests.timeouts import PATIENCE


class Toy:
    """A server that can die. `stopped`: how often it was ended."""

    def __init__(self, pid: int = 0) -> None:
        self.process = SimpleNamespace(pid=pid)
        self.url, self.alive, self.stopped = "http://127.0.0.1:1", True, 0

    def stop(self) -> None:
        self.stopped += 1


def stack(server: Any) -> ServerWithGateway:
    return ServerWithGateway(server, lambda _: "http://127.0.0.1:2")


def test_a_stack_is_shared_by_those_who_use_it_alike() -> None:
    shared: Pool[str, Any] = Pool()
    one = shared.get("leaving", lambda: stack(Toy()))
    assert shared.get("leaving", lambda: stack(Toy())) is one
    assert shared.get("unloading", lambda: stack(Toy())) is not one


def test_a_stack_that_died_or_was_given_up_is_replaced() -> None:
    shared: Pool[str, ServerWithGateway] = Pool()
    first = Toy()
    one = shared.get("leaving", lambda: stack(first))
    first.alive = False
    second = Toy()
    assert shared.get("leaving", lambda: stack(second)) is not one
    assert first.stopped == 1
    shared.discard("leaving")
    shared.discard("leaving")
    assert second.stopped == 1
    third = Toy()
    shared.get("leaving", lambda: stack(third))
    shared.close()
    assert third.stopped == 1


@contextmanager
def program(code: str) -> Iterator[ServerWithGateway]:
    running = subprocess.Popen(
        [sys.executable, "-c", f"print(1, flush=True)\n{code}"], stdout=subprocess.PIPE
    )
    try:
        assert running.stdout is not None and running.stdout.readline()
        yield stack(Toy(running.pid))
    finally:
        running.kill()
        running.communicate()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of threads that wait")
def test_who_wants_a_core_is_told_from_who_sleeps() -> None:
    with program("while True: pass") as busy:
        wait_until("a thread that wants a core", busy.has_runnable_thread, timeout=PATIENCE)
    with program("import time; time.sleep(60)") as idle:
        wait_until("no thread that wants a core", lambda: not idle.has_runnable_thread(), timeout=PATIENCE)
